use std::sync::mpsc;

use super::pool::{Overloaded, Pool, PoolLimits};
use super::*;

/// Long enough that only a hang reaches it.
const PATIENT: Duration = Duration::from_secs(600);

fn pool(permits: usize, queue_max: usize, deadline: Duration) -> Arc<Pool<u32>> {
    Arc::new(Pool::start(PoolLimits { permits, queue_max, deadline }).expect("threads"))
}

/// Work that says when it began and goes on until it is told to end.
struct Held {
    began: mpsc::Receiver<()>,
    end: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<Result<u32, Overloaded>>,
}

/// Starts such work and waits until a thread has begun it.
fn hold(pool: &Arc<Pool<u32>>) -> Held {
    let held = offer(pool);
    held.began.recv().expect("a thread takes it");
    held
}

fn offer(pool: &Arc<Pool<u32>>) -> Held {
    let (tell_began, began) = mpsc::channel();
    let (end, told_end) = mpsc::channel();
    let pool = pool.clone();
    let task = tokio::spawn(async move {
        let work = move |done: &mut u32| {
            let _ = tell_began.send(());
            let _ = told_end.recv();
            *done += 1;
            *done
        };
        pool.run(work).await
    });
    Held { began, end, task }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_keeps_its_scratch() {
    let pool = pool(1, 8, PATIENT);
    for expected in 1..=5 {
        let answer = pool.run(|count: &mut u32| {
            *count += 1;
            *count
        });
        assert_eq!(answer.await, Ok(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once() {
    let pool = pool(1, 0, PATIENT);
    // No queue at all: whatever is not taken by a waiting thread at once is refused.
    let Err(refused) = pool.run(|_: &mut u32| 0).await else { panic!("there was no room") };
    assert_eq!(refused.retry_after_s, 600);
    assert_eq!(pool.counters().refused_full.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_holds_as_many_as_it_says() {
    let pool = pool(1, 2, PATIENT);
    let held = hold(&pool);
    // Two wait. They are polled once by hand, so that it is known that they are in the queue.
    let mut first = Box::pin(pool.run(|count: &mut u32| *count));
    let mut second = Box::pin(pool.run(|count: &mut u32| *count));
    assert!(futures_poll(&mut first).is_none() && futures_poll(&mut second).is_none());
    assert!(pool.run(|_: &mut u32| 0).await.is_err(), "a third finds no room");
    held.end.send(()).expect("it listens");
    assert_eq!((first.await, second.await), (Ok(1), Ok(1)));
    assert_eq!(held.task.await.expect("no panic"), Ok(1));
}

/// One poll; nobody is woken.
fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_keeps_its_permit_until_the_work_is_done() {
    let pool = pool(1, 1, PATIENT);
    let held = hold(&pool);
    held.task.abort();
    assert!(held.task.await.expect_err("aborted").is_cancelled());
    // The only thread is still at it: what comes now waits, and a second finds no room.
    let mut next = Box::pin(pool.run(|count: &mut u32| *count));
    assert!(futures_poll(&mut next).is_none());
    assert!(pool.run(|_: &mut u32| 0).await.is_err());
    held.end.send(()).expect("the work goes on without its caller");
    assert_eq!(next.await, Ok(1), "the abandoned work was finished first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_nobody_waits_for_is_thrown_away_before_it_begins() {
    let pool = pool(1, 1, PATIENT);
    let held = hold(&pool);
    let mut left = Box::pin(pool.run(|_: &mut u32| panic!("must not be begun")));
    assert!(futures_poll::<std::pin::Pin<Box<_>>>(&mut left).is_none());
    drop(left);
    // It makes room for the living, too.
    let mut next = Box::pin(pool.run(|count: &mut u32| *count));
    assert!(futures_poll(&mut next).is_none());
    assert_eq!(pool.counters().abandoned.load(Ordering::Relaxed), 1);
    held.end.send(()).expect("it listens");
    assert_eq!(next.await, Ok(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_is_no_answer() {
    let pool = pool(1, 8, Duration::ZERO);
    // The work never ends by itself, so only the deadline can end the call.
    let held = offer(&pool);
    assert!(held.task.await.expect("no panic").is_err());
    assert_eq!(pool.counters().refused_late.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_its_caller_an_answer_and_nobody_else_anything() {
    let pool = pool(1, 8, PATIENT);
    assert_eq!(pool.run(|count: &mut u32| *count = 7).await, Ok(()));
    let work = |_: &mut u32| -> u32 { panic!("a test's own panic") };
    assert!(pool.run(work).await.is_err());
    assert_eq!(pool.run(|count: &mut u32| *count).await, Ok(0), "with a fresh scratch");
}
