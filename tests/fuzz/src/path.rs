//! Rules and request targets: no upstream serves what is under another rule than the one chosen.

use arbitrary::{Result, Unstructured};
use cognito_authorizer::rules::index::{Chosen, MatchIndex, Target, UnsafePath};
use cognito_authorizer::rules::path::RequestPath;
use cognito_authorizer::rules::pattern::PathCase;

use super::readings::{Compared, matched, readings};
use super::upstream::{Kind, ModelRule, NAMES, STEPS, served};

/// Each may double the number of readings.
const MAX_SPECIALS: usize = 10;

fn rule(input: &mut Unstructured<'_>) -> Result<ModelRule> {
    let kind = *input.choose(&[Kind::Exact, Kind::Prefix, Kind::Template, Kind::Greedy])?;
    let variables = matches!(kind, Kind::Template | Kind::Greedy);
    let mut segments = Vec::new();
    for _ in 0..input.int_in_range(0..=3)? {
        let variable = variables && input.ratio(1, 3)?;
        segments.push(match variable {
            true => None,
            false => Some((*input.choose(&NAMES)?).to_owned()),
        });
    }
    Ok(ModelRule { segments, kind })
}

/// Rules that are never reached are left out, as an operator would have to.
fn rules(input: &mut Unstructured<'_>, letters: PathCase) -> Result<(Vec<ModelRule>, MatchIndex)> {
    let mut rules: Vec<ModelRule> = Vec::new();
    let mut index = MatchIndex::new(Vec::new(), letters).expect("no rules");
    for _ in 0..input.int_in_range(1..=6)? {
        rules.push(rule(input)?);
        match MatchIndex::new(rules.iter().map(ModelRule::compile).collect(), letters) {
            Ok(compiled) => index = compiled,
            Err(_) => drop(rules.pop()),
        }
    }
    Ok((rules, index))
}

/// A path of names and of any bytes between them.
fn target(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut path = Vec::new();
    for _ in 0..input.int_in_range(0..=4)? {
        path.push(b'/');
        for byte in input.choose(&NAMES)?.bytes() {
            match input.int_in_range(0..=19)? {
                0 => path.extend(format!("%{byte:02x}").bytes()),
                1 => path.push(byte.to_ascii_uppercase()),
                _ if byte.is_ascii_graphic() => path.push(byte),
                _ => path.extend(format!("%{byte:02X}").bytes()),
            }
        }
        let length = input.int_in_range(0..=9)? - 5_i8;
        path.extend(input.bytes(usize::try_from(length.max(0)).unwrap())?);
    }
    path.extend(input.bytes(input.len().min(8))?);
    Ok(path)
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let letters = *input.choose(&[PathCase::Insensitive, PathCase::Sensitive])?;
    let mut steps = Vec::new();
    for _ in 0..input.int_in_range(0..=5)? {
        steps.push(*input.choose(&STEPS)?);
    }
    let (rules, index) = rules(input, letters)?;
    let target = target(input)?;
    let chosen = index.choose(&Target {
        path: Some(&target),
        ..Target::default()
    });
    check_readings(&rules, &target, letters, &chosen);
    let Ok(chosen) = chosen else {
        return Ok(());
    };
    for length in 0..=steps.len() {
        let served = served(&target, &steps[..length]);
        for letters in [letters, PathCase::Sensitive] {
            let under = rules.iter().position(|rule| rule.matches(&served, letters));
            assert_eq!(
                under,
                chosen.rule,
                "{rules:?} {} {:?} {letters:?} {served:?}",
                target.escape_ascii(),
                &steps[..length]
            );
        }
    }
    Ok(())
}

/// A path that is not refused at sight is refused if and only if two of its readings are under
/// different rules. All are written down, if that ends.
fn check_readings(
    rules: &[ModelRule],
    target: &[u8],
    letters: PathCase,
    chosen: &std::result::Result<Chosen, UnsafePath>,
) {
    let specials = target.iter().filter(|byte| b"%;".contains(byte)).count();
    if specials > MAX_SPECIALS || RequestPath::parse(target).is_err() {
        return;
    }
    let mut under: Vec<_> = readings(target)
        .iter()
        .flat_map(|reading| {
            [Compared::Literally, Compared::Decoded(letters)].map(|compared| {
                rules
                    .iter()
                    .position(|rule| matched(rule, reading, compared).is_some())
            })
        })
        .collect();
    under.dedup();
    match chosen {
        Ok(chosen) => assert_eq!(under, [chosen.rule], "{rules:?} {}", target.escape_ascii()),
        Err(_) => assert!(under.len() > 1, "{rules:?} {}", target.escape_ascii()),
    }
}

/// Whatever an upstream does to a path, it is under the rule that was chosen, or it is refused.
pub fn path(data: &[u8]) {
    // An input that is too short asks nothing.
    let _ = check(&mut Unstructured::new(data));
}
