//! A line that one VM of the process tells every ten minutes, for as long as it is true.

use super::schedule::REMINDER;
use super::space::{SharedSpace, digest};
use crate::time::Monotonic;

/// When a line is told again.
///
/// What was told last, by any VM, stands in shared data: every VM looks there when it thinks that
/// the time has come, and the first to write tells. VMs with the same line take turns, whichever
/// configuration they are of.
#[derive(Debug)]
pub struct Reminder {
    text: String,
    name: String,
    /// Not before this; `None` until the first look at the clock.
    due: Option<Monotonic>,
}

impl Reminder {
    /// A reminder of this line.
    #[must_use]
    pub fn new(text: String) -> Self {
        let name = format!("cognito-authorizer.reminder.{}", digest(text.as_bytes()));
        Self {
            text,
            name,
            due: None,
        }
    }

    /// The line, which is told at the start by whoever announces a configuration.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line, if it is for this VM to tell it now.
    pub fn take_due(&mut self, now: Monotonic, space: &dyn SharedSpace) -> Option<&str> {
        let due = *self.due.get_or_insert(now.after(REMINDER));
        if now < due {
            return None;
        }
        self.due = Some(now.after(REMINDER));
        let (told, version) = space.read(&self.name);
        let told = told.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        let second = now.since_origin().as_secs();
        // What lies ahead was written by no VM of this filter, but for clocks that differ by a little.
        let since = told.map(|told| second.saturating_sub(told));
        if since.is_some_and(|since| since < REMINDER.as_secs().saturating_div(2))
            && told.is_some_and(|told| told <= second.saturating_add(1))
        {
            return None;
        }
        let written = space.write(&self.name, &second.to_le_bytes(), version);
        written.is_ok().then_some(&*self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::{MemorySpace, Version};
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(Duration::from_secs(seconds))
    }

    #[test]
    fn one_vm_of_all_tells_the_line_every_ten_minutes() {
        let space = MemorySpace::default();
        let mut vms = [0, 1, 2].map(|_| Reminder::new("a door is open".to_owned()));
        let mut told = Vec::new();
        for second in 100..100 + 3 * 600 + 10 {
            for (number, vm) in vms.iter_mut().enumerate() {
                // Each begins a little later than the last.
                if second >= 100 + u64::try_from(number).unwrap() {
                    told.extend(vm.take_due(at(second), &space).map(|_| second));
                }
            }
        }
        assert_eq!(told, [700, 1300, 1900]);
    }

    #[test]
    fn another_line_is_another_reminder() {
        let space = MemorySpace::default();
        let mut vms = ["a", "b"].map(|text| Reminder::new(text.to_owned()));
        for vm in &mut vms {
            assert_eq!(vm.take_due(at(0), &space), None);
        }
        let told = vms.each_mut().map(|vm| vm.take_due(at(600), &space));
        assert_eq!(told, [Some("a"), Some("b")]);
    }

    #[test]
    fn what_a_stranger_writes_silences_nobody() {
        for bytes in [&b"x"[..], &[0xff; 8], &[0; 9]] {
            let space = MemorySpace::default();
            let mut vm = Reminder::new("a".to_owned());
            vm.take_due(at(0), &space);
            space.write(&vm.name, bytes, Version::Any).unwrap();
            assert_eq!(vm.take_due(at(600), &space), Some("a"));
        }
    }
}
