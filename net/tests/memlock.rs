//! A limit of locked memory that leaves no room for rings. In a program of its own: the limit is the process's.

use std::net::UdpSocket;

use throng_net::io::{Backend, BackendChoice, BindError, SocketConfig, bind};

const CAP_IPC_LOCK: u32 = 14;

/// Takes away this thread's exemption from the limit, which root has.
fn drop_exemption() -> bool {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    // Two triples (of 32 capabilities each) of effective, permitted and inheritable bits.
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: version 3 of the interface reads one header and writes two triples.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) } != 0 {
        return false;
    }
    sets[0][0] &= !(1 << CAP_IPC_LOCK);
    // SAFETY: as above, and it writes nothing.
    unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) == 0 }
}

#[test]
fn too_little_lockable_memory_falls_back_and_says_how_to_raise_it() {
    let config = SocketConfig::new("127.0.0.1:0".parse().unwrap());
    if let Err(BindError::UringRefused { reason }) =
        bind(&SocketConfig { backend: BackendChoice::Uring, ..config })
    {
        println!("skipped: {reason}");
        return;
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads one `rlimit` from a pointer to one.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &none) } != 0 || !drop_exemption() {
        println!("skipped: the limit cannot be set here");
        return;
    }
    let mut bound = bind(&config).unwrap();
    if bound.report.backend == Backend::Uring {
        println!("skipped: this kernel does not count rings as locked memory");
        return;
    }
    for part in ["locked memory is 0 KiB", "ulimit -l", "LimitMEMLOCK="] {
        assert!(bound.report.reason.contains(part), "{}", bound.report);
    }
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"works", bound.report.local_addr).unwrap();
    assert_eq!(bound.receiver.drain(10, &mut |_, datagram| assert_eq!(datagram, *b"works")).unwrap(), 1);
    let error = bind(&SocketConfig { backend: BackendChoice::Uring, ..config }).unwrap_err();
    assert!(error.to_string().contains("ulimit -l"), "{error}");
}
