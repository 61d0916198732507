//! What the plugins of a process say of their documents of one kind, so that one gauge can speak for
//! all: they share its name, and the last to set it would speak for itself alone.

use super::space::SharedSpace;
use crate::time::Monotonic;
use std::time::Duration;

/// What one document is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How many entries it has.
    pub entries: u64,
    /// How old it is, in seconds, by its own word.
    pub age: u64,
}

/// Of each document the digest of its name, its figures, and the second in which it was called.
const ROW: usize = 40;
/// Far more than plugins in one process: whoever writes here could write more.
const MAX_ROWS: usize = 64;
/// A document of which nothing is heard any more is gone with its configuration.
const SILENCE: Duration = Duration::from_secs(5);

type Row = ([u8; 16], [u64; 3]);

fn read(bytes: &[u8]) -> Option<Vec<Row>> {
    let (rows, []) = bytes.as_chunks::<ROW>() else {
        return None;
    };
    let row = |row: &[u8; ROW]| {
        let (id, numbers) = row.split_first_chunk()?;
        let (numbers, []) = numbers.as_chunks() else {
            return None;
        };
        let numbers: &[[u8; 8]; 3] = numbers.try_into().ok()?;
        Some((*id, numbers.map(u64::from_le_bytes)))
    };
    rows.iter().take(MAX_ROWS).map(row).collect()
}

/// Calls out what one document is like, and hears what all are: the sum of their entries, and the
/// age of the oldest. Bytes of any other shape count as silence.
#[must_use]
pub fn call(
    space: &dyn SharedSpace,
    kind: &str,
    id: [u8; 16],
    own: Figures,
    now: Monotonic,
) -> Figures {
    let name = format!("cognito-authorizer.{kind}.roll");
    let second = now.since_origin().as_secs();
    let (bytes, version) = space.read(&name);
    let mut rows = bytes.and_then(|bytes| read(&bytes)).unwrap_or_default();
    // VMs read their clocks when a callback begins, so that another may be a little ahead; what lies
    // further ahead was called out by no VM of this filter, and would be heard for ever.
    let is_heard = |called: u64| {
        called <= second.saturating_add(1) && second.saturating_sub(called) < SILENCE.as_secs()
    };
    rows.retain(|(other, [_, _, called])| *other != id && is_heard(*called));
    rows.truncate(MAX_ROWS.saturating_sub(1));
    rows.push((id, [own.entries, own.age, second]));
    let mut bytes = Vec::new();
    for (id, numbers) in &rows {
        bytes.extend(id);
        numbers
            .iter()
            .for_each(|number| bytes.extend(number.to_le_bytes()));
    }
    // A VM that was faster has said much the same.
    let _ = space.write(&name, &bytes, version);
    rows.iter()
        .fold(own, |all, (other, [entries, age, called])| {
            if *other == id {
                return all;
            }
            let since = second.saturating_sub(*called);
            Figures {
                entries: all.entries.saturating_add(*entries),
                age: all.age.max(age.saturating_add(since)),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::super::space::{MemorySpace, Version};
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(seconds))
    }

    fn figures(entries: u64, age: u64) -> Figures {
        Figures { entries, age }
    }

    #[test]
    fn all_are_heard_until_they_are_silent() {
        let space = MemorySpace::default();
        let call = |id, own, now| call(&space, "list", [id; 16], own, at(now));
        assert_eq!(call(1, figures(5, 10), 100), figures(5, 10));
        assert_eq!(call(2, figures(7, 3), 100), figures(12, 10));
        // A VM whose clock was read a little later is heard, too.
        assert_eq!(call(2, figures(7, 3), 101), figures(12, 11));
        assert_eq!(call(1, figures(5, 10), 100), figures(12, 10));
        // The other one has grown older since it was heard.
        assert_eq!(call(2, figures(8, 1), 103), figures(13, 13));
        assert_eq!(call(1, figures(6, 1), 103), figures(14, 1));
        assert_eq!(call(1, figures(6, 2), 107), figures(14, 5));
        assert_eq!(call(1, figures(6, 2), 108), figures(6, 2));
    }

    #[test]
    fn what_a_stranger_writes_is_bounded() {
        let space = MemorySpace::default();
        let name = "cognito-authorizer.list.roll";
        for bytes in [&b"x"[..], &[0; 39], &[0xff; 40 * 1000]] {
            space.write(name, bytes, Version::Any).unwrap();
            let heard = call(&space, "list", [1; 16], figures(5, 10), at(100));
            assert_eq!(heard, figures(5, 10), "nothing of it is heard");
            let (kept, _) = space.read(name);
            assert!(kept.unwrap().len() <= ROW * MAX_ROWS);
        }
    }
}
