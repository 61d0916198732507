//! The part of the syntax of regular expressions that expressions for paths are written in.
//!
//! What is not read here (`\b`, flags but `i`, classes within classes) is left to the general engine. This
//! reader is asked only about expressions that the general engine has compiled, so it need not find
//! faults: it says no as soon as anything is not plain.

use super::Letters;

/// An expression, as a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// One character of a class.
    One(Class),
    /// `^`
    Start,
    /// `$`
    End,
    /// One after the other.
    Sequence(Vec<Expression>),
    /// One of these.
    Choice(Vec<Expression>),
    /// So many times, without end if the second number is left out.
    Repeated(Box<Expression>, u32, Option<u32>),
}

/// A set of characters: which of ASCII, and whether all others. No expression that is read here
/// tells those apart, since it is ASCII itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// One bit for each of the 128.
    ascii: u128,
    others: bool,
}

impl Class {
    const NONE: Self = Self {
        ascii: 0,
        others: false,
    };

    fn of(bytes: impl IntoIterator<Item = u8>) -> Self {
        let bytes = bytes.into_iter().filter(u8::is_ascii);
        let classes = bytes.map(|byte| Self {
            ascii: 1 << byte,
            others: false,
        });
        classes.fold(Self::NONE, Self::or)
    }

    /// Whether a byte of ASCII, or with `None` any other character, is in the set.
    pub(super) fn contains(self, byte: Option<u8>) -> bool {
        match byte {
            Some(byte) => self.ascii & (1_u128.checked_shl(byte.into()).unwrap_or(0)) != 0,
            None => self.others,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            ascii: self.ascii | other.ascii,
            others: self.others || other.others,
        }
    }

    fn not(self) -> Self {
        Self {
            ascii: !self.ascii,
            others: !self.others,
        }
    }

    /// With capital and small letters alike.
    ///
    /// By ASCII alone: the letters beyond it that fold to `k` and `s` have been folded in one of
    /// the texts.
    fn caseless(self) -> Self {
        let letters = (b'a'..=b'z').filter(|byte| {
            self.contains(Some(*byte)) || self.contains(Some(byte.to_ascii_uppercase()))
        });
        let both = letters.flat_map(|byte| [byte, byte.to_ascii_uppercase()]);
        self.or(Self::of(both))
    }

    /// What `\d` and its like stand for: a capital for all that the small letter does not.
    fn perl(letter: u8) -> Option<Self> {
        let all = |is_one: fn(&u8) -> bool| Self::of((0..0x80).filter(is_one));
        let class = match letter.to_ascii_lowercase() {
            b'd' => all(u8::is_ascii_digit),
            b'w' => all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
            // As `regex-lite` has it: ASCII, with the vertical tab.
            b's' => all(|byte| b"\t\n\x0b\x0c\r ".contains(byte)),
            _ => return None,
        };
        Some(match letter.is_ascii_uppercase() {
            true => class.not(),
            false => class,
        })
    }
}

/// Groups within groups are read by recursion.
///
/// The general engine has a limit of its own; this one protects the stack.
const MAX_DEPTH: u32 = 32;

/// Reads an expression; `None` if it is not plain.
pub(super) fn read(expression: &str, letters: Letters) -> Option<Expression> {
    let mut reader = Reader {
        rest: expression.as_bytes(),
        letters,
        depth: 0,
    };
    let read = reader.choice()?;
    reader.rest.is_empty().then_some(read)
}

struct Reader<'e> {
    rest: &'e [u8],
    letters: Letters,
    depth: u32,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take_if(&mut self, wanted: u8) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.take();
        }
        found
    }

    /// From the weakest operator to the strongest: choice, sequence, repetition, one.
    fn choice(&mut self) -> Option<Expression> {
        let mut all = vec![self.sequence()?];
        while self.take_if(b'|') {
            all.push(self.sequence()?);
        }
        Some(Expression::Choice(all))
    }

    fn sequence(&mut self) -> Option<Expression> {
        let mut all = Vec::new();
        while let Some(first) = self.rest.first()
            && !b"|)".contains(first)
        {
            let mut one = self.one()?;
            while let Some((least, most)) = self.repetition()? {
                // What `^` means that often is left to the general engine.
                if matches!(one, Expression::Start | Expression::End) {
                    return None;
                }
                one = Expression::Repeated(Box::new(one), least, most);
            }
            all.push(one);
        }
        Some(Expression::Sequence(all))
    }

    fn one(&mut self) -> Option<Expression> {
        Some(match self.take()? {
            b'^' => Expression::Start,
            b'$' => Expression::End,
            // No line feed is in a path; as the general engine has it all the same.
            b'.' => self.class(Class::of(*b"\n").not()),
            b'(' => self.group()?,
            b'[' => self.bracket()?,
            b'\\' => {
                let class = self.escaped()?;
                self.class(class)
            }
            // Left to the general engine, which knows what each means in such a place.
            b'*' | b'+' | b'?' | b'{' | b')' => return None,
            byte => self.class(Class::of([byte])),
        })
    }

    fn class(&self, class: Class) -> Expression {
        Expression::One(match self.letters {
            Letters::Exact => class,
            Letters::Caseless => class.caseless(),
        })
    }

    /// `\d` and its like, or a character that stands for itself. `\b`, `\x2F` and others are not
    /// plain.
    fn escaped(&mut self) -> Option<Class> {
        let byte = self.take()?;
        match Class::perl(byte) {
            Some(class) => Some(class),
            // `\<` and `\>` are the ends of a word.
            None if b"<>".contains(&byte) => None,
            None => byte.is_ascii_punctuation().then(|| Class::of([byte])),
        }
    }

    fn group(&mut self) -> Option<Expression> {
        self.depth = self
            .depth
            .checked_add(1)
            .filter(|depth| *depth <= MAX_DEPTH)?;
        let outside = self.letters;
        if self.take_if(b'?') && !self.take_if(b':') {
            // What follows in the group around this one is meant. That is why the letters are not put
            // back here: the group around does it at its own end.
            if self.rest.starts_with(b"i)") {
                self.letters = Letters::Caseless;
                self.depth = self.depth.saturating_sub(1);
                self.rest = self.rest.get(2..)?;
                // A repetition would be of what stands before it.
                let repeats = self.rest.first().is_some_and(|next| b"*+?{".contains(next));
                return (!repeats).then(|| Expression::Sequence(Vec::new()));
            }
            if self.rest.starts_with(b"i:") {
                self.letters = Letters::Caseless;
                self.rest = self.rest.get(2..)?;
            } else {
                self.take_if(b'P');
                // A name, of which nothing depends.
                if !self.take_if(b'<') {
                    return None;
                }
                while self.take()? != b'>' {}
            }
        }
        let inside = self.choice()?;
        self.letters = outside;
        self.depth = self.depth.saturating_sub(1);
        self.take_if(b')').then_some(inside)
    }

    /// A class in brackets, of single characters, ranges, and `\d` and its like.
    fn bracket(&mut self) -> Option<Expression> {
        // Negated last of all, once letter case has been seen to: `[^a]` without case has neither
        // `a` nor `A`.
        let negated = self.take_if(b'^');
        let mut class = Class::NONE;
        // A `]` that comes first is a character, and so is a `-` there.
        let mut is_first = true;
        loop {
            let byte = self.take()?;
            match byte {
                b']' if !is_first => break,
                // Classes within classes, and operations on them, which have two signs.
                b'[' | b']' => return None,
                b'&' | b'~' | b'-' if self.rest.first() == Some(&byte) => return None,
                // A `-` that no character stands before is itself: at either end, and behind a range,
                // as in `[A-Za-z0-9-_]`.
                _ => {}
            }
            is_first = false;
            let low = match byte {
                b'\\' => {
                    let escaped = *self.rest.first()?;
                    let one = self.escaped()?;
                    if Class::perl(escaped).is_some() {
                        class = class.or(one);
                        continue;
                    }
                    escaped
                }
                _ => byte,
            };
            // A `-` before the closing bracket is a character.
            let is_range = self.rest.first() == Some(&b'-') && self.rest.get(1) != Some(&b']');
            if !is_range {
                class = class.or(Class::of([low]));
                continue;
            }
            self.take();
            let high = match self.take()? {
                b'\\' => self.take().filter(u8::is_ascii_punctuation)?,
                b'[' | b'-' => return None,
                high => high,
            };
            class = class.or(Class::of(low..=high));
        }
        let class = match self.letters {
            Letters::Exact => class,
            Letters::Caseless => class.caseless(),
        };
        Some(Expression::One(match negated {
            true => class.not(),
            false => class,
        }))
    }

    /// How often, if it is said. Of the two `None`, the outer one is a repetition that is not plain, and
    /// the inner one is no repetition. `?` after it makes no difference to what matches as a whole.
    #[allow(clippy::option_option)]
    fn repetition(&mut self) -> Option<Option<(u32, Option<u32>)>> {
        let often = match self.rest.first() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => {
                self.take();
                let least = self.number()?;
                let most = match self.take_if(b',') {
                    false => Some(least),
                    true if self.rest.first() == Some(&b'}') => None,
                    true => Some(self.number()?),
                };
                // The brace is taken below.
                if self.rest.first() != Some(&b'}') || most.is_some_and(|most| most < least) {
                    return None;
                }
                (least, most)
            }
            _ => return Some(None),
        };
        self.take();
        self.take_if(b'?');
        Some(Some(often))
    }

    fn number(&mut self) -> Option<u32> {
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}
