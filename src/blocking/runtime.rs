//! A place for timers and connections to live while a thread without async waits.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime on a thread of its own, which ends when the last owner is gone.
///
/// The futures themselves run on the thread that waits for them. They may therefore borrow, and
/// it does not matter whether that thread belongs to another runtime: the runtime here is only
/// entered, not blocked on.
#[derive(Debug)]
pub(super) struct Runtime {
    handle: Handle,
    /// Dropped with the owner, which ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Runtime {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(String::from("cspark-blocking"))
            .spawn(move || {
                // Ends with an error when the sender is dropped, as it should.
                let _ = runtime.block_on(stopped);
                // Connections that don't end by themselves must not keep the thread.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }

    /// Runs `future` to its end on this thread.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.handle.enter();
        wait(future)
    }
}

/// Runs `future` to its end on this thread, whatever else this thread is.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
