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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_port_and_one_form() {
        for (told, expected) in [
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[::ffff:192.0.2.1]:443", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("", None),
            ("/run/envoy.sock", None),
            ("envoy://internal/a", None),
            ("192.0.2:443", None),
            ("[192.0.2.1", Some("192.0.2.1")),
        ] {
            let found = source_ip(told.as_bytes()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{told}");
        }
        assert_eq!(source_ip(b"\xff"), None);
    }

    #[track_caller]
    fn in_range(range: &str, inside: &[&str], outside: &[&str]) {
        let read = IpRange::new(range).unwrap();
        for (addresses, expected) in [(inside, true), (outside, false)] {
            for address in addresses {
                let found = read.contains(address.parse().unwrap());
                assert_eq!(found, expected, "{range} {address}");
            }
        }
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_alike() {
        in_range(
            "192.0.2.0/24",
            &["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"],
            &["192.0.1.255", "192.0.3.0", "2001:db8::1"],
        );
        in_range("192.0.2.7", &["192.0.2.7"], &["192.0.2.6", "::1"]);
        in_range("192.0.2.6/31", &["192.0.2.7"], &["192.0.2.8", "192.0.2.5"]);
        // Bits behind the length do not count.
        in_range("192.0.2.7/24", &["192.0.2.200"], &["192.0.3.7"]);
        in_range("0.0.0.0/0", &["255.255.255.255"], &["::1", "::"]);
        in_range("128.0.0.0/1", &["255.0.0.1"], &["127.255.255.255"]);
        in_range(
            "2001:db8::/32",
            &["2001:db8::", "2001:db8:ffff::1"],
            &["2001:db9::", "32.1.13.184"],
        );
        in_range("::/0", &["::1", "ffff::"], &["0.0.0.0"]);
        in_range("2001:db8::1", &["2001:db8::1"], &["2001:db8::2"]);
        in_range("8000::/1", &["ffff::"], &["7fff::"]);
        in_range("::ffff:192.0.2.0/120", &["192.0.2.9"], &["192.0.3.9"]);
        in_range("::ffff:192.0.2.9", &["192.0.2.9"], &["192.0.2.8"]);
        in_range("::ffff:0:0/96", &["192.0.2.9"], &["::1"]);
    }

    #[test]
    fn what_is_no_range_is_none() {
        for bad in [
            "",
            "/24",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2.0/ 8",
            "192.0.2.0/24/24",
            "192.0.2/24",
            "192.0.2.0/255.255.255.0",
            "2001:db8::/129",
            "2001:db8::/1000",
            "[::1]",
            "localhost",
            "*",
        ] {
            assert_eq!(IpRange::new(bad), None, "{bad}");
        }
        assert!(IpRange::new("192.0.2.0/32").is_some() && IpRange::new("::/128").is_some());
    }
}
