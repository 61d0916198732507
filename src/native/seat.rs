//! Where one thread of Envoy's is reached by the others: a flag, a letter box and a bell.

use crate::envoy::Bell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the alarm rings.
pub(crate) trait Rung: Send + Sync {
    fn ring(&self);
}

impl<Letter: Send> Rung for Seat<Letter> {
    fn ring(&self) {
        Self::ring(self);
    }
}

/// A thread's place in one configuration.
///
/// The bell is an event of one of the thread's own requests, since Envoy wakes no worker otherwise.
/// A worker without a request has none, and needs none: whatever has been left for it lies there
/// until its next request, which looks at the flag.
#[derive(Debug)]
pub(crate) struct Seat<Letter> {
    due: AtomicBool,
    letters: Mutex<Vec<Letter>>,
    bell: Mutex<Option<Box<dyn Bell>>>,
}

impl<Letter> Default for Seat<Letter> {
    fn default() -> Self {
        Self {
            due: AtomicBool::new(true),
            letters: Mutex::default(),
            bell: Mutex::default(),
        }
    }
}

/// A thread that panicked while it held a lock has left nothing half done: each is held for one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<Letter> Seat<Letter> {
    /// Whether there is something to do before the next request is looked at. Says so once.
    pub(crate) fn take_due(&self) -> bool {
        self.due.load(Ordering::Relaxed) && self.due.swap(false, Ordering::Acquire)
    }

    /// There is something to do.
    pub(crate) fn ring(&self) {
        self.due.store(true, Ordering::Release);
        if let Some(bell) = &*lock(&self.bell) {
            bell.ring();
        }
    }

    /// Leaves a letter, and rings.
    pub(crate) fn post(&self, letter: Letter) {
        lock(&self.letters).push(letter);
        self.ring();
    }

    /// All letters.
    pub(crate) fn take_letters(&self) -> Vec<Letter> {
        std::mem::take(&mut *lock(&self.letters))
    }

    /// Hangs up another bell. None rings the old one any more once this returns, so that what it
    /// belongs to may end.
    pub(crate) fn hang(&self, bell: Option<Box<dyn Bell>>) {
        let before = std::mem::replace(&mut *lock(&self.bell), bell);
        drop(before);
    }
}
