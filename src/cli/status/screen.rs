//! Lines for a small screen.

use crate::explain::safe::safe;

/// As wide as a phone shows without turning it.
const WIDTH: usize = 40;

/// What is seen, and how much of it is wrong.
#[derive(Default)]
pub(super) struct Screen {
    text: String,
    pub(super) wrong: usize,
}

impl Screen {
    /// A new part.
    pub(super) fn title(&mut self, text: &str) {
        self.text.push_str(&format!("\n{}\n", safe(text)));
    }

    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(&format!("  {}\n", safe(text)));
    }

    /// A name and a number, which end where all of them do.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        let name = safe(name);
        let number = grouped(number);
        let taken = number.chars().count().saturating_add(4);
        let width = WIDTH.saturating_sub(taken);
        self.text.push_str(&format!("  {name:width$}  {number}\n"));
    }

    /// What somebody must look at.
    pub(super) fn wrong(&mut self, text: &str) {
        self.wrong = self.wrong.saturating_add(1);
        self.text.push_str(&format!("! {}\n", safe(text)));
    }

    pub(super) fn text(mut self) -> String {
        let end = match self.wrong {
            0 => "All is well.".to_owned(),
            1 => "1 thing is wrong: see the !".to_owned(),
            number => format!("{number} things are wrong: see the !"),
        };
        self.text.push_str(&format!("\n{end}\n"));
        self.text.trim_start().to_owned()
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(at);
        if at > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_in_one_column() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        let mut screen = Screen::default();
        screen.number("denied", 7);
        screen.number("a\u{1b}", 1_000_000);
        let lines = screen.text();
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines[0].trim_start(), format!("denied{}7", " ".repeat(31)));
        assert_eq!(lines[1].chars().count(), WIDTH);
        assert!(lines[1].contains("\\u{1b}"));
    }
}
