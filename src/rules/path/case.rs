//! Letter case outside ASCII, as the standard library has it (Unicode 17).
//!
//! The library's tables have a row for each letter: 25 kB of the module. Most letters stand in runs,
//! so a quarter of that says the same, and the tests compare every character. A letter that a later
//! Unicode brings has no case here until its row is added.

/// The small letter of a letter, or letters; itself if it has none.
pub(super) fn small(letter: char) -> impl Iterator<Item = char> {
    mapped(letter, char::to_ascii_lowercase, &SMALL, |code| {
        // The first run that does not end before the letter: it may still begin behind it.
        let run = RUNS.get(RUNS.partition_point(|run| run.1 < code))?;
        run.small(code)
    })
}

/// The capital letter of a letter, or letters; itself if it has none.
pub(super) fn capital(letter: char) -> impl Iterator<Item = char> {
    mapped(letter, char::to_ascii_uppercase, &CAPITAL, |code| {
        // The runs stand in the order of their capitals; this is asked by a small letter, so that it
        // is looked for in a list of their places in the other order.
        let run = |at: &u8| RUNS.get(usize::from(*at));
        let is_before = |at: &u8| run(at).is_some_and(|run| run.last_small() < Some(code));
        let run = BY_SMALL
            .get(BY_SMALL.partition_point(is_before))
            .and_then(run)?;
        let capital = code.checked_add_signed(run.3.checked_neg()?)?;
        // A letter between the small ones of a run leads back to none of its capitals.
        run.small(capital).map(|_| capital)
    })
}

/// What a letter maps to, looked for where it costs least: most of a path is ASCII, and letters that
/// map to several, such as `ß`, are in no run.
fn mapped(
    letter: char,
    ascii: impl Fn(&char) -> char,
    exceptions: &[(char, &'static str)],
    in_run: impl Fn(u32) -> Option<u32>,
) -> impl Iterator<Item = char> {
    let exception = exceptions.binary_search_by_key(&letter, |exception| exception.0);
    let (one, letters) = match exception.ok().and_then(|at| exceptions.get(at)) {
        Some((_, letters)) => (None, *letters),
        None if letter.is_ascii() => (Some(ascii(&letter)), ""),
        None => {
            let other = in_run(letter.into()).and_then(char::from_u32);
            (Some(other.unwrap_or(letter)), "")
        }
    };
    one.into_iter().chain(letters.chars())
}

/// Capital letters whose small letters are all equally far away.
#[derive(Clone, Copy)]
struct Run(
    /// The first one.
    u32,
    /// The last one.
    u32,
    /// From one to the next: 2 where capital and small letters take turns.
    u32,
    /// From a capital letter to its small one.
    i32,
);

impl Run {
    /// The small letter of a capital one of this run.
    fn small(self, capital: u32) -> Option<u32> {
        let Self(first, last, step, distance) = self;
        let is_one = capital <= last && capital.checked_sub(first)?.checked_rem(step) == Some(0);
        is_one.then(|| capital.checked_add_signed(distance))?
    }

    const fn last_small(self) -> Option<u32> {
        self.1.checked_add_signed(self.3)
    }
}

/// In the order of their capital letters.
#[rustfmt::skip]
static RUNS: [Run; 171] = [
    Run(0xc0, 0xd6, 1, 32), Run(0xd8, 0xde, 1, 32), Run(0x100, 0x12e, 2, 1),
    Run(0x132, 0x136, 2, 1), Run(0x139, 0x147, 2, 1), Run(0x14a, 0x176, 2, 1),
    Run(0x178, 0x178, 1, -121), Run(0x179, 0x17d, 2, 1), Run(0x181, 0x181, 1, 210),
    Run(0x182, 0x184, 2, 1), Run(0x186, 0x186, 1, 206), Run(0x187, 0x187, 1, 1),
    Run(0x189, 0x18a, 1, 205), Run(0x18b, 0x18b, 1, 1), Run(0x18e, 0x18e, 1, 79),
    Run(0x18f, 0x18f, 1, 202), Run(0x190, 0x190, 1, 203), Run(0x191, 0x191, 1, 1),
    Run(0x193, 0x193, 1, 205), Run(0x194, 0x194, 1, 207), Run(0x196, 0x196, 1, 211),
    Run(0x197, 0x197, 1, 209), Run(0x198, 0x198, 1, 1), Run(0x19c, 0x19c, 1, 211),
    Run(0x19d, 0x19d, 1, 213), Run(0x19f, 0x19f, 1, 214), Run(0x1a0, 0x1a4, 2, 1),
    Run(0x1a6, 0x1a6, 1, 218), Run(0x1a7, 0x1a7, 1, 1), Run(0x1a9, 0x1a9, 1, 218),
    Run(0x1ac, 0x1ac, 1, 1), Run(0x1ae, 0x1ae, 1, 218), Run(0x1af, 0x1af, 1, 1),
    Run(0x1b1, 0x1b2, 1, 217), Run(0x1b3, 0x1b5, 2, 1), Run(0x1b7, 0x1b7, 1, 219),
    Run(0x1b8, 0x1b8, 1, 1), Run(0x1bc, 0x1bc, 1, 1), Run(0x1c4, 0x1c4, 1, 2),
    Run(0x1c7, 0x1c7, 1, 2), Run(0x1ca, 0x1ca, 1, 2), Run(0x1cd, 0x1db, 2, 1),
    Run(0x1de, 0x1ee, 2, 1), Run(0x1f1, 0x1f1, 1, 2), Run(0x1f4, 0x1f4, 1, 1),
    Run(0x1f6, 0x1f6, 1, -97), Run(0x1f7, 0x1f7, 1, -56), Run(0x1f8, 0x21e, 2, 1),
    Run(0x220, 0x220, 1, -130), Run(0x222, 0x232, 2, 1), Run(0x23a, 0x23a, 1, 10795),
    Run(0x23b, 0x23b, 1, 1), Run(0x23d, 0x23d, 1, -163), Run(0x23e, 0x23e, 1, 10792),
    Run(0x241, 0x241, 1, 1), Run(0x243, 0x243, 1, -195), Run(0x244, 0x244, 1, 69),
    Run(0x245, 0x245, 1, 71), Run(0x246, 0x24e, 2, 1), Run(0x370, 0x372, 2, 1),
    Run(0x376, 0x376, 1, 1), Run(0x37f, 0x37f, 1, 116), Run(0x386, 0x386, 1, 38),
    Run(0x388, 0x38a, 1, 37), Run(0x38c, 0x38c, 1, 64), Run(0x38e, 0x38f, 1, 63),
    Run(0x391, 0x3a1, 1, 32), Run(0x3a3, 0x3ab, 1, 32), Run(0x3cf, 0x3cf, 1, 8),
    Run(0x3d8, 0x3ee, 2, 1), Run(0x3f7, 0x3f7, 1, 1), Run(0x3f9, 0x3f9, 1, -7),
    Run(0x3fa, 0x3fa, 1, 1), Run(0x3fd, 0x3ff, 1, -130), Run(0x400, 0x40f, 1, 80),
    Run(0x410, 0x42f, 1, 32), Run(0x460, 0x480, 2, 1), Run(0x48a, 0x4be, 2, 1),
    Run(0x4c0, 0x4c0, 1, 15), Run(0x4c1, 0x4cd, 2, 1), Run(0x4d0, 0x52e, 2, 1),
    Run(0x531, 0x556, 1, 48), Run(0x10a0, 0x10c5, 1, 7264), Run(0x10c7, 0x10c7, 1, 7264),
    Run(0x10cd, 0x10cd, 1, 7264), Run(0x13a0, 0x13ef, 1, 38864), Run(0x13f0, 0x13f5, 1, 8),
    Run(0x1c89, 0x1c89, 1, 1), Run(0x1c90, 0x1cba, 1, -3008), Run(0x1cbd, 0x1cbf, 1, -3008),
    Run(0x1e00, 0x1e94, 2, 1), Run(0x1ea0, 0x1efe, 2, 1), Run(0x1f08, 0x1f0f, 1, -8),
    Run(0x1f18, 0x1f1d, 1, -8), Run(0x1f28, 0x1f2f, 1, -8), Run(0x1f38, 0x1f3f, 1, -8),
    Run(0x1f48, 0x1f4d, 1, -8), Run(0x1f59, 0x1f5f, 2, -8), Run(0x1f68, 0x1f6f, 1, -8),
    Run(0x1fb8, 0x1fb9, 1, -8), Run(0x1fba, 0x1fbb, 1, -74), Run(0x1fc8, 0x1fcb, 1, -86),
    Run(0x1fd8, 0x1fd9, 1, -8), Run(0x1fda, 0x1fdb, 1, -100), Run(0x1fe8, 0x1fe9, 1, -8),
    Run(0x1fea, 0x1feb, 1, -112), Run(0x1fec, 0x1fec, 1, -7), Run(0x1ff8, 0x1ff9, 1, -128),
    Run(0x1ffa, 0x1ffb, 1, -126), Run(0x2132, 0x2132, 1, 28), Run(0x2160, 0x216f, 1, 16),
    Run(0x2183, 0x2183, 1, 1), Run(0x24b6, 0x24cf, 1, 26), Run(0x2c00, 0x2c2f, 1, 48),
    Run(0x2c60, 0x2c60, 1, 1), Run(0x2c62, 0x2c62, 1, -10743), Run(0x2c63, 0x2c63, 1, -3814),
    Run(0x2c64, 0x2c64, 1, -10727), Run(0x2c67, 0x2c6b, 2, 1), Run(0x2c6d, 0x2c6d, 1, -10780),
    Run(0x2c6e, 0x2c6e, 1, -10749), Run(0x2c6f, 0x2c6f, 1, -10783), Run(0x2c70, 0x2c70, 1, -10782),
    Run(0x2c72, 0x2c72, 1, 1), Run(0x2c75, 0x2c75, 1, 1), Run(0x2c7e, 0x2c7f, 1, -10815),
    Run(0x2c80, 0x2ce2, 2, 1), Run(0x2ceb, 0x2ced, 2, 1), Run(0x2cf2, 0x2cf2, 1, 1),
    Run(0xa640, 0xa66c, 2, 1), Run(0xa680, 0xa69a, 2, 1), Run(0xa722, 0xa72e, 2, 1),
    Run(0xa732, 0xa76e, 2, 1), Run(0xa779, 0xa77b, 2, 1), Run(0xa77d, 0xa77d, 1, -35332),
    Run(0xa77e, 0xa786, 2, 1), Run(0xa78b, 0xa78b, 1, 1), Run(0xa78d, 0xa78d, 1, -42280),
    Run(0xa790, 0xa792, 2, 1), Run(0xa796, 0xa7a8, 2, 1), Run(0xa7aa, 0xa7aa, 1, -42308),
    Run(0xa7ab, 0xa7ab, 1, -42319), Run(0xa7ac, 0xa7ac, 1, -42315), Run(0xa7ad, 0xa7ad, 1, -42305),
    Run(0xa7ae, 0xa7ae, 1, -42308), Run(0xa7b0, 0xa7b0, 1, -42258), Run(0xa7b1, 0xa7b1, 1, -42282),
    Run(0xa7b2, 0xa7b2, 1, -42261), Run(0xa7b3, 0xa7b3, 1, 928), Run(0xa7b4, 0xa7c2, 2, 1),
    Run(0xa7c4, 0xa7c4, 1, -48), Run(0xa7c5, 0xa7c5, 1, -42307), Run(0xa7c6, 0xa7c6, 1, -35384),
    Run(0xa7c7, 0xa7c9, 2, 1), Run(0xa7cb, 0xa7cb, 1, -42343), Run(0xa7cc, 0xa7da, 2, 1),
    Run(0xa7dc, 0xa7dc, 1, -42561), Run(0xa7f5, 0xa7f5, 1, 1), Run(0xff21, 0xff3a, 1, 32),
    Run(0x10400, 0x10427, 1, 40), Run(0x104b0, 0x104d3, 1, 40), Run(0x10570, 0x1057a, 1, 39),
    Run(0x1057c, 0x1058a, 1, 39), Run(0x1058c, 0x10592, 1, 39), Run(0x10594, 0x10595, 1, 39),
    Run(0x10c80, 0x10cb2, 1, 64), Run(0x10d50, 0x10d65, 1, 32), Run(0x118a0, 0x118bf, 1, 32),
    Run(0x16e40, 0x16e5f, 1, 32), Run(0x16ea0, 0x16eb8, 1, 27), Run(0x1e900, 0x1e921, 1, 34),
];

/// The places of the runs, in the order of their small letters.
#[allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]
static BY_SMALL: [u8; RUNS.len()] = {
    // Sorted by the compiler, which takes neither closures nor overflows here.
    const fn first_small(Run(first, _, _, distance): Run) -> i64 {
        first as i64 + distance as i64
    }
    let mut places = [0; RUNS.len()];
    let mut place = 1;
    while place < places.len() {
        let mut at = place;
        while at > 0 && first_small(RUNS[places[at - 1] as usize]) > first_small(RUNS[place]) {
            places[at] = places[at - 1];
            at -= 1;
        }
        places[at] = place as u8;
        place += 1;
    }
    places
};

/// Letters whose small letter is that of another capital, or several.
#[rustfmt::skip]
static SMALL: [(char, &str); 37] = [
    ('\u{130}', "i\u{307}"), ('\u{1c5}', "ǆ"), ('\u{1c8}', "ǉ"), ('\u{1cb}', "ǌ"), ('\u{1f2}', "ǳ"),
    ('\u{3f4}', "θ"), ('\u{1e9e}', "ß"), ('\u{1f88}', "ᾀ"), ('\u{1f89}', "ᾁ"), ('\u{1f8a}', "ᾂ"),
    ('\u{1f8b}', "ᾃ"), ('\u{1f8c}', "ᾄ"), ('\u{1f8d}', "ᾅ"), ('\u{1f8e}', "ᾆ"), ('\u{1f8f}', "ᾇ"),
    ('\u{1f98}', "ᾐ"), ('\u{1f99}', "ᾑ"), ('\u{1f9a}', "ᾒ"), ('\u{1f9b}', "ᾓ"), ('\u{1f9c}', "ᾔ"),
    ('\u{1f9d}', "ᾕ"), ('\u{1f9e}', "ᾖ"), ('\u{1f9f}', "ᾗ"), ('\u{1fa8}', "ᾠ"), ('\u{1fa9}', "ᾡ"),
    ('\u{1faa}', "ᾢ"), ('\u{1fab}', "ᾣ"), ('\u{1fac}', "ᾤ"), ('\u{1fad}', "ᾥ"), ('\u{1fae}', "ᾦ"),
    ('\u{1faf}', "ᾧ"), ('\u{1fbc}', "ᾳ"), ('\u{1fcc}', "ῃ"), ('\u{1ffc}', "ῳ"), ('\u{2126}', "ω"),
    ('\u{212a}', "k"), ('\u{212b}', "å"),
];

/// Letters whose capital letter is that of another small one, or several.
#[rustfmt::skip]
static CAPITAL: [(char, &str); 129] = [
    ('\u{b5}', "Μ"), ('\u{df}', "SS"), ('\u{131}', "I"), ('\u{149}', "ʼN"), ('\u{17f}', "S"),
    ('\u{1c5}', "Ǆ"), ('\u{1c8}', "Ǉ"), ('\u{1cb}', "Ǌ"), ('\u{1f0}', "J\u{30c}"), ('\u{1f2}', "Ǳ"),
    ('\u{345}', "Ι"), ('\u{390}', "Ι\u{308}\u{301}"), ('\u{3b0}', "Υ\u{308}\u{301}"),
    ('\u{3c2}', "Σ"), ('\u{3d0}', "Β"), ('\u{3d1}', "Θ"), ('\u{3d5}', "Φ"), ('\u{3d6}', "Π"),
    ('\u{3f0}', "Κ"), ('\u{3f1}', "Ρ"), ('\u{3f5}', "Ε"), ('\u{587}', "ԵՒ"), ('\u{1c80}', "В"),
    ('\u{1c81}', "Д"), ('\u{1c82}', "О"), ('\u{1c83}', "С"), ('\u{1c84}', "Т"), ('\u{1c85}', "Т"),
    ('\u{1c86}', "Ъ"), ('\u{1c87}', "Ѣ"), ('\u{1c88}', "Ꙋ"), ('\u{1e96}', "H\u{331}"),
    ('\u{1e97}', "T\u{308}"), ('\u{1e98}', "W\u{30a}"), ('\u{1e99}', "Y\u{30a}"),
    ('\u{1e9a}', "Aʾ"), ('\u{1e9b}', "Ṡ"), ('\u{1f50}', "Υ\u{313}"),
    ('\u{1f52}', "Υ\u{313}\u{300}"), ('\u{1f54}', "Υ\u{313}\u{301}"),
    ('\u{1f56}', "Υ\u{313}\u{342}"), ('\u{1f80}', "ἈΙ"), ('\u{1f81}', "ἉΙ"), ('\u{1f82}', "ἊΙ"),
    ('\u{1f83}', "ἋΙ"), ('\u{1f84}', "ἌΙ"), ('\u{1f85}', "ἍΙ"), ('\u{1f86}', "ἎΙ"),
    ('\u{1f87}', "ἏΙ"), ('\u{1f88}', "ἈΙ"), ('\u{1f89}', "ἉΙ"), ('\u{1f8a}', "ἊΙ"),
    ('\u{1f8b}', "ἋΙ"), ('\u{1f8c}', "ἌΙ"), ('\u{1f8d}', "ἍΙ"), ('\u{1f8e}', "ἎΙ"),
    ('\u{1f8f}', "ἏΙ"), ('\u{1f90}', "ἨΙ"), ('\u{1f91}', "ἩΙ"), ('\u{1f92}', "ἪΙ"),
    ('\u{1f93}', "ἫΙ"), ('\u{1f94}', "ἬΙ"), ('\u{1f95}', "ἭΙ"), ('\u{1f96}', "ἮΙ"),
    ('\u{1f97}', "ἯΙ"), ('\u{1f98}', "ἨΙ"), ('\u{1f99}', "ἩΙ"), ('\u{1f9a}', "ἪΙ"),
    ('\u{1f9b}', "ἫΙ"), ('\u{1f9c}', "ἬΙ"), ('\u{1f9d}', "ἭΙ"), ('\u{1f9e}', "ἮΙ"),
    ('\u{1f9f}', "ἯΙ"), ('\u{1fa0}', "ὨΙ"), ('\u{1fa1}', "ὩΙ"), ('\u{1fa2}', "ὪΙ"),
    ('\u{1fa3}', "ὫΙ"), ('\u{1fa4}', "ὬΙ"), ('\u{1fa5}', "ὭΙ"), ('\u{1fa6}', "ὮΙ"),
    ('\u{1fa7}', "ὯΙ"), ('\u{1fa8}', "ὨΙ"), ('\u{1fa9}', "ὩΙ"), ('\u{1faa}', "ὪΙ"),
    ('\u{1fab}', "ὫΙ"), ('\u{1fac}', "ὬΙ"), ('\u{1fad}', "ὭΙ"), ('\u{1fae}', "ὮΙ"),
    ('\u{1faf}', "ὯΙ"), ('\u{1fb2}', "ᾺΙ"), ('\u{1fb3}', "ΑΙ"), ('\u{1fb4}', "ΆΙ"),
    ('\u{1fb6}', "Α\u{342}"), ('\u{1fb7}', "Α\u{342}Ι"), ('\u{1fbc}', "ΑΙ"), ('\u{1fbe}', "Ι"),
    ('\u{1fc2}', "ῊΙ"), ('\u{1fc3}', "ΗΙ"), ('\u{1fc4}', "ΉΙ"), ('\u{1fc6}', "Η\u{342}"),
    ('\u{1fc7}', "Η\u{342}Ι"), ('\u{1fcc}', "ΗΙ"), ('\u{1fd2}', "Ι\u{308}\u{300}"),
    ('\u{1fd3}', "Ι\u{308}\u{301}"), ('\u{1fd6}', "Ι\u{342}"), ('\u{1fd7}', "Ι\u{308}\u{342}"),
    ('\u{1fe2}', "Υ\u{308}\u{300}"), ('\u{1fe3}', "Υ\u{308}\u{301}"), ('\u{1fe4}', "Ρ\u{313}"),
    ('\u{1fe6}', "Υ\u{342}"), ('\u{1fe7}', "Υ\u{308}\u{342}"), ('\u{1ff2}', "ῺΙ"),
    ('\u{1ff3}', "ΩΙ"), ('\u{1ff4}', "ΏΙ"), ('\u{1ff6}', "Ω\u{342}"), ('\u{1ff7}', "Ω\u{342}Ι"),
    ('\u{1ffc}', "ΩΙ"), ('\u{fb00}', "FF"), ('\u{fb01}', "FI"), ('\u{fb02}', "FL"),
    ('\u{fb03}', "FFI"), ('\u{fb04}', "FFL"), ('\u{fb05}', "ST"), ('\u{fb06}', "ST"),
    ('\u{fb13}', "ՄՆ"), ('\u{fb14}', "ՄԵ"), ('\u{fb15}', "ՄԻ"), ('\u{fb16}', "ՎՆ"),
    ('\u{fb17}', "ՄԽ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// An older compiler's library knows fewer letters.
    #[track_caller]
    fn agree(letter: char, ours: impl Iterator<Item = char>, library: impl Iterator<Item = char>) {
        let library: String = library.collect();
        let ours: String = ours.collect();
        let is_unknown = library == letter.to_string() && letter > '\u{a000}';
        assert!(
            ours == library || is_unknown,
            "{letter:?} {ours:?} {library:?}"
        );
    }

    #[test]
    fn every_character_has_the_case_that_the_library_gives_it() {
        for letter in '\0'..=char::MAX {
            agree(letter, small(letter), letter.to_lowercase());
            agree(letter, capital(letter), letter.to_uppercase());
        }
    }
}
