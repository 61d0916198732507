//! A rule's alternatives: of those that are for the token at all, one must hold.

use crate::refusal::{Reason, Refusal};
use crate::rules::requirement::{Alternative, Callers, Confirmation, Requirement};

/// Whether some alternative is for the token, before its signature is verified.
///
/// # Errors
/// None is; this is why the first is not.
pub(super) fn admit(
    requirement: &Requirement,
    is_for: impl Fn(&Callers) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let mut reasons = requirement.any_of.iter().map(|one| is_for(&one.callers));
    match reasons.next() {
        None | Some(Ok(())) => Ok(()),
        Some(Err(first)) => match reasons.any(|other| other.is_ok()) {
            true => Ok(()),
            false => Err(first),
        },
    }
}

/// How lately the user pool must have stood by a token for which one of the alternatives holds: as
/// little as the mildest of those asks.
///
/// # Errors
/// None holds; this is why the first that is for the token does not.
pub(super) fn satisfied<'a>(
    for_it: impl Iterator<Item = &'a Alternative>,
    holds: impl Fn(&Alternative) -> Result<(), Refusal>,
) -> Result<Confirmation, Refusal> {
    let mut mildest: Option<Confirmation> = None;
    let mut first = None;
    for alternative in for_it {
        match holds(alternative) {
            Ok(()) => {
                let asked = alternative.confirmation;
                mildest = Some(mildest.map_or(asked, |others| others.or(asked)));
            }
            Err(refusal) => {
                first.get_or_insert(refusal);
            }
        }
        // The others could only ask for more.
        if mildest == Some(Confirmation::Waived) {
            break;
        }
    }
    // Without any that is for the token it would have been refused before its signature.
    mildest.ok_or_else(|| first.unwrap_or(Refusal::Plain(Reason::UnknownIssuer)))
}
