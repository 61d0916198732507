//! Text for people, in lines of a length that can be read.

/// As wide as terminals have always been.
pub(crate) const WIDTH: usize = 80;

/// The text in lines of at most so many columns. A word that is longer has a line of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut column: usize = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column == 0 {
            column = length;
        } else if column.saturating_add(1).saturating_add(length) > width {
            lines.push('\n');
            column = length;
        } else {
            lines.push(' ');
            column = column.saturating_add(1).saturating_add(length);
        }
        lines.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_end_between_words() {
        assert_eq!(wrapped("", 9), "");
        assert_eq!(wrapped(" one  two ", 9), "one two");
        assert_eq!(wrapped("one two three four", 9), "one two\nthree\nfour");
        assert_eq!(wrapped("incomparably wide", 4), "incomparably\nwide");
        assert_eq!(wrapped("äöü äöü", 7), "äöü äöü");
    }
}
