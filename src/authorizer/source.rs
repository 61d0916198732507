//! The address of a client, and ranges of addresses.

use std::net::{IpAddr, Ipv4Addr};

/// The address in what Envoy tells of a client: `192.0.2.1:443`, or `[2001:db8::1]:443`; `None` if
/// it has none, as behind a pipe.
#[must_use]
pub fn source_ip(address: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(address).ok()?;
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// A range of addresses (RFC 4632, section 3.1; RFC 4291, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    address: IpAddr,
    /// The number of bits that count.
    length: u8,
}

impl IpRange {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one address.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most: u8 = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let length = match length {
            None => most,
            Some(digits)
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                digits.parse().ok().filter(|length| *length <= most)?
            }
            Some(_) => return None,
        };
        // IPv4 addresses written as IPv6 ones: a client's is compared in its short form.
        Some(match (address.to_canonical(), length.checked_sub(96)) {
            (short @ IpAddr::V4(_), Some(length)) if address.is_ipv6() => Self {
                address: short,
                length,
            },
            _ => Self { address, length },
        })
    }

    /// Whether an address is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let kept = |address: Ipv4Addr| {
                    let shift = 32_u32.saturating_sub(self.length.into());
                    address.to_bits().checked_shr(shift).unwrap_or(0)
                };
                kept(own) == kept(other)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128_u32.saturating_sub(self.length.into());
                let kept = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                kept(own.to_bits()) == kept(other.to_bits())
            }
            _ => false,
        }
    }
}
