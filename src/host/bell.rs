//! A bell: a request has the root called as soon as its own callback has ended.
//!
//! Calls are the root's. To the SDK a call belongs to the context in whose callback it was made, and
//! the answer to a request's own call would be lost with the request, for all who wait for it. The
//! host calls the root when its timer runs out, which takes a millisecond at least, or when something
//! has been put into a queue that the root has registered: at the end of the event that is handled.

use proxy_wasm::hostcalls;
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The bell of one root.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// Registered when it is needed first: the host keeps a queue for longer than a VM.
    queue: Cell<Option<u32>>,
    /// Once is enough for all who ring before the root is called.
    rung: Cell<bool>,
}

impl Bell {
    /// Has the root called. Says whether it will be.
    pub(super) fn ring(&self) -> bool {
        if self.rung.get() {
            return true;
        }
        let queue = self.queue.get().or_else(register);
        self.queue.set(queue);
        let rung = queue.is_some_and(|queue| hostcalls::enqueue_shared_queue(queue, None).is_ok());
        self.rung.set(rung);
        rung
    }

    /// The root has been called, by whatever.
    pub(super) fn heard(&self) {
        if self.rung.replace(false)
            && let Some(queue) = self.queue.get()
        {
            // No more than one is in it.
            let _ = hostcalls::dequeue_shared_queue(queue);
        }
    }
}

/// A queue under a name that no other VM has, since whoever registers a name last is called.
fn register() -> Option<u32> {
    let random = RandomState::new().build_hasher().finish();
    hostcalls::register_shared_queue(&format!("cognito-authorizer.bell.{random:016x}")).ok()
}
