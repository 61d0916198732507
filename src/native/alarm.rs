//! The thread that rings when a tick is due. The ABI has no timer for filters, and a thread that
//! serves nothing cannot be late for a request.

use crate::seat::Rung;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, LazyLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Whom to ring, and when.
struct Order {
    at: Instant,
    whom: Weak<dyn Rung>,
}

impl PartialEq for Order {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Order {}
impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Order {
    fn rings(self) {
        if let Some(whom) = self.whom.upgrade() {
            whom.ring();
        }
    }
}

/// None where the system gives no thread: then no configuration is taken.
static ORDERS: LazyLock<Option<Sender<Order>>> = LazyLock::new(|| {
    let (sender, receiver) = channel();
    let thread = thread::Builder::new().name("cognito_alarm".to_owned());
    thread.spawn(move || run(&receiver)).ok().map(|_| sender)
});

/// Whether there is an alarm at all.
pub(crate) fn works() -> bool {
    ORDERS.is_some()
}

/// Has a seat rung in this time. One that has gone by then is forgotten.
pub(crate) fn ring_in<R: Rung + 'static>(whom: &Arc<R>, delay: Duration) {
    let now = Instant::now();
    if let (Some(orders), Some(at)) = (&*ORDERS, now.checked_add(delay)) {
        let whom: Weak<dyn Rung> = Arc::<R>::downgrade(whom);
        // The thread never ends.
        let _ = orders.send(Order { at, whom });
    }
}

fn run(orders: &Receiver<Order>) {
    let mut waiting = BinaryHeap::<Reverse<Order>>::new();
    loop {
        let now = Instant::now();
        while let Some(Reverse(order)) = waiting.peek() {
            if order.at > now {
                break;
            }
            if let Some(Reverse(order)) = waiting.pop() {
                order.rings();
            }
        }
        let next = match waiting.peek() {
            Some(Reverse(order)) => {
                orders.recv_timeout(order.at.saturating_duration_since(Instant::now()))
            }
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(order) => waiting.push(Reverse(order)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// When the thread of a seat is rung next, as far as it has asked for it.
///
/// Whoever is rung for another reason keeps what it has ordered: an order for each ring would be a
/// chain for each.
#[derive(Debug, Default)]
pub(crate) struct Ordered(std::cell::Cell<Option<Instant>>);

impl Ordered {
    /// Has a seat rung in this time, unless it is rung before.
    pub(crate) fn ring_in<R: Rung + 'static>(&self, whom: &Arc<R>, delay: Duration) {
        let now = Instant::now();
        let Some(at) = now.checked_add(delay) else {
            return;
        };
        let ordered = self.0.get().filter(|ordered| *ordered > now);
        if ordered.is_none_or(|ordered| at < ordered) {
            ring_in(whom, delay);
            self.0.set(Some(at));
        }
    }
}
