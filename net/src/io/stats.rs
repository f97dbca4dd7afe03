//! What sending and receiving count.

macro_rules! stats {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $name {
            /// Adds another thread's figures to these.
            pub fn add(&mut self, other: &$name) {
                $(self.$field += other.$field;)*
            }

            /// All figures by name, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }
        }
    };
}

stats! {
    /// Datagrams handed to the kernel by one sender. What was not sent is lost; nothing is tried again.
    SendStats {
        /// Datagrams that the kernel took.
        datagrams,
        /// Bytes in them.
        bytes,
        /// Not sent: the socket's send buffer was full (EAGAIN).
        would_block,
        /// Not sent: the kernel had no memory or the device's queue was full (ENOBUFS, ENOMEM).
        no_buffers,
        /// Not sent: larger than the path or the device takes (EMSGSIZE).
        too_big,
        /// Not sent: no way there (host, network or port unreachable, connection refused).
        unreachable,
        /// Not sent: any other error.
        other_errors,
        /// Batches that io_uring did not take and `sendmmsg` sent instead.
        ring_failures,
    }
}

stats! {
    /// Datagrams taken from the kernel.
    ReceiveStats {
        /// Datagrams handed on.
        datagrams,
        /// Bytes in them.
        bytes,
        /// Dropped here: more than 1,200 bytes.
        oversized,
        /// Errors that the kernel reported in place of a datagram, such as ICMP unreachable.
        errors,
        /// Came to a wildcard address, and answers leave from where the kernel likes: sent to a group, or to an address of
        /// this host beyond the 64 that can be told apart. Whoever sends to many uses them up, where many are routed here.
        local_unknown,
        /// Dropped by the kernel: the socket's receive buffer was full.
        kernel_drops,
        /// The same of the queue for what is apart: strangers beyond what was to be heard of them.
        kernel_drops_apart,
    }
}

impl SendStats {
    pub(super) fn sent(&mut self, bytes: u32) {
        self.datagrams += 1;
        self.bytes += u64::from(bytes);
    }

    /// Counts one datagram that failed with `errno`.
    pub(super) fn failed(&mut self, errno: i32) {
        let counter = match errno {
            libc::EAGAIN => &mut self.would_block,
            libc::ENOBUFS | libc::ENOMEM => &mut self.no_buffers,
            libc::EMSGSIZE => &mut self.too_big,
            libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN => &mut self.unreachable,
            _ => &mut self.other_errors,
        };
        *counter += 1;
    }

    /// Datagrams that were not sent, for whatever reason.
    pub fn lost(&self) -> u64 {
        self.would_block + self.no_buffers + self.too_big + self.unreachable + self.other_errors
    }
}
