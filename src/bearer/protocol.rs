//! A token among the subprotocols of a WebSocket's handshake (RFC 6455, section 4.1).
//!
//! A browser's script sets no header of a WebSocket but this one. What stands in it is for the
//! server to choose from and to repeat in its answer, so the token is taken off before the upstream
//! sees it, whatever rule the request is under.

use super::Sighting;
use crate::header::HeaderEdit;
use crate::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::borrow::Cow;
use std::rc::Rc;

/// The header that lists subprotocols.
pub const PROTOCOLS: &str = "sec-websocket-protocol";

/// Where among the subprotocols a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketProtocol {
    /// It is the element behind this one.
    After(String),
    /// It is what follows this in an element.
    Prefixed(String, Encoding),
}

/// How a token is written in an element. One that is a token of RFC 9110 needs no encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    #[default]
    None,
    /// In base64url without padding, as Kubernetes has it.
    Base64Url,
}

impl WebSocketProtocol {
    /// What an element holds, if it is this place's: of all readers the one who finds most.
    fn sighting<'a>(&self, before: Option<&[u8]>, element: &'a [u8]) -> Option<Sighting<'a>> {
        match self {
            Self::After(marker) => {
                (before == Some(marker.as_bytes())).then_some(Sighting::Token(element.into()))
            }
            Self::Prefixed(prefix, encoding) => {
                let rest = element.strip_prefix(prefix.as_bytes())?;
                if rest.is_empty() {
                    return None;
                }
                Some(match encoding {
                    Encoding::None => Sighting::Token(rest.into()),
                    Encoding::Base64Url => match URL_SAFE_NO_PAD.decode(rest) {
                        Ok(token) if !token.is_empty() => Sighting::Token(Cow::Owned(token)),
                        _ => Sighting::Garbled,
                    },
                })
            }
        }
    }
}

/// Each element of an upgrade, with what it holds to one of these places. An element counts once.
pub(super) fn elements<'a, 'p>(
    request: &'a Request,
    places: &'p [WebSocketProtocol],
) -> impl Iterator<Item = (&'a [u8], Option<Sighting<'a>>)> + use<'a, 'p> {
    let lines = (!places.is_empty() && request.is_upgrade()).then(|| request.all(PROTOCOLS));
    let elements = lines.into_iter().flatten();
    let elements = elements.flat_map(|line| line.split(|byte| *byte == b','));
    // RFC 9110, section 5.6.1: empty ones do not count.
    let elements = elements.map(<[u8]>::trim_ascii);
    let elements = elements.filter(|element| !element.is_empty());
    elements.scan(None, |before: &mut Option<&'a [u8]>, element| {
        let before = before.replace(element);
        let mut places = places.iter();
        let sighting = places.find_map(|place| place.sighting(before, element));
        Some((element, sighting))
    })
}

/// The edit that takes every token off, and leaves all other subprotocols.
pub(super) fn without_tokens(
    request: &Request,
    places: &[WebSocketProtocol],
) -> Option<HeaderEdit> {
    let mut elements = elements(request, places);
    if !elements.any(|(_, sighting)| sighting.is_some()) {
        return None;
    }
    let kept = self::elements(request, places).filter(|(_, sighting)| sighting.is_none());
    let kept: Vec<_> = kept.map(|(element, _)| element).collect();
    let name = Rc::from(PROTOCOLS);
    Some(match kept.is_empty() {
        true => HeaderEdit::Remove(name),
        false => HeaderEdit::Set(name, kept.join(&b", "[..])),
    })
}
