//! The part of the syntax of regular expressions that expressions for paths are written in.
//!
//! What is not read here (`\b`, flags, classes within classes) is left to the general engine. This
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
    ascii: u128,
    others: bool,
}

impl Class {
    const NONE: Self = Self {
        ascii: 0,
        others: false,
    };

    fn of(bytes: impl IntoIterator<Item = u8>) -> Self {
        let bits = bytes.into_iter().filter(u8::is_ascii);
        Self {
            ascii: bits.fold(0, |set, byte| set | (1_u128 << byte)),
            others: false,
        }
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
    fn caseless(self) -> Self {
        let letters = (b'a'..=b'z').filter(|byte| {
            self.contains(Some(*byte)) || self.contains(Some(byte.to_ascii_uppercase()))
        });
        let both = letters.flat_map(|byte| [byte, byte.to_ascii_uppercase()]);
        self.or(Self::of(both))
    }

    /// What `\d` and its like stand for.
    fn perl(letter: u8) -> Option<Self> {
        let all = |is_one: fn(&u8) -> bool| Self::of((0..0x80).filter(is_one));
        let class = match letter.to_ascii_lowercase() {
            b'd' => all(u8::is_ascii_digit),
            b'w' => all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
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
            b'.' => self.class(Class::of(*b"\n").not()),
            b'(' => self.group()?,
            b'[' => self.bracket()?,
            b'\\' => {
                let class = self.escaped()?;
                self.class(class)
            }
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

    fn escaped(&mut self) -> Option<Class> {
        let byte = self.take()?;
        match Class::perl(byte) {
            Some(class) => Some(class),
            None => byte.is_ascii_punctuation().then(|| Class::of([byte])),
        }
    }

    fn group(&mut self) -> Option<Expression> {
        self.depth = self
            .depth
            .checked_add(1)
            .filter(|depth| *depth <= MAX_DEPTH)?;
        if self.take_if(b'?') && !self.take_if(b':') {
            self.take_if(b'P');
            // A name, of which nothing depends.
            if !self.take_if(b'<') {
                return None;
            }
            while self.take()? != b'>' {}
        }
        let inside = self.choice()?;
        self.depth = self.depth.saturating_sub(1);
        self.take_if(b')').then_some(inside)
    }

    /// A class in brackets, of single characters, ranges, and `\d` and its like.
    fn bracket(&mut self) -> Option<Expression> {
        let negated = self.take_if(b'^');
        let mut class = Class::NONE;
        let mut is_first = true;
        loop {
            let byte = self.take()?;
            match byte {
                b']' if !is_first => break,
                // Classes within classes, and operations on them.
                b'[' | b']' | b'&' | b'~' => return None,
                b'-' if !is_first && self.rest.first() != Some(&b']') => return None,
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

    /// How often, if it is said. `?` after it makes no difference to what matches as a whole.
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
