use super::*;

/// A host that knows the one good signature, and says of it and of all others what it is told to.
struct Host(fn(bool) -> HostAnswer);

impl HostVerifier for Host {
    fn verify(&self, _: &[u8], _: &[u8], _: &[u8]) -> HostAnswer {
        HostAnswer::None
    }

    fn verify_es384(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        assert_eq!(spki, [SPKI_BEGINS.as_slice(), POINT].concat());
        let good = der(SIGNATURE).unwrap();
        (self.0)(message == MESSAGE && signature == good)
    }
}

fn honest(valid: bool) -> HostAnswer {
    match valid {
        true => HostAnswer::Valid,
        false => HostAnswer::Invalid,
    }
}

fn verify(host: fn(bool) -> HostAnswer, message: &[u8], signature: &[u8]) -> bool {
    let es384 = Es384 {
        host: Some(Rc::new(Host(host))),
    };
    let (x, y) = POINT.split_at(NUMBER);
    let key = PublicKey::new(x, y).unwrap();
    es384.verify(&key, message, &Signature::new(signature.to_vec()))
}

#[test]
fn a_host_is_used_once_it_has_proved_itself() {
    let host = Es384::host_if_proven(Rc::new(Host(honest)));
    assert!(host.is_supported());
    assert_eq!(format!("{host:?}"), "host");
    let liars: [fn(bool) -> HostAnswer; 4] = [
        |_| HostAnswer::Valid,
        |_| HostAnswer::Invalid,
        |_| HostAnswer::None,
        |valid| honest(!valid),
    ];
    for liar in liars {
        let host = Es384::host_if_proven(Rc::new(Host(liar)));
        assert!(!host.is_supported());
        assert_eq!(format!("{host:?}"), "unsupported");
    }
}

/// One that refuses only the other message, or only the other signature.
#[test]
fn each_forgery_of_the_proof_counts() {
    struct Half(bool);
    impl HostVerifier for Half {
        fn verify(&self, _: &[u8], _: &[u8], _: &[u8]) -> HostAnswer {
            HostAnswer::None
        }

        fn verify_es384(&self, _: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
            let good = der(SIGNATURE).unwrap();
            honest(match self.0 {
                true => message == MESSAGE,
                false => signature == good,
            })
        }
    }
    for half in [true, false] {
        assert!(!Es384::host_if_proven(Rc::new(Half(half))).is_supported());
    }
}

/// A host that looks at some bits of a signature alone would be caught by the smallest change only.
#[test]
fn the_forged_signature_of_the_proof_differs_in_one_bit() {
    struct Witness(std::cell::RefCell<Vec<Vec<u8>>>);
    impl HostVerifier for Witness {
        fn verify(&self, _: &[u8], _: &[u8], _: &[u8]) -> HostAnswer {
            HostAnswer::None
        }

        fn verify_es384(&self, _: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
            self.0.borrow_mut().push(signature.to_vec());
            honest(message == MESSAGE && signature == der(SIGNATURE).unwrap())
        }
    }
    let witness = Rc::new(Witness(std::cell::RefCell::default()));
    let host: Rc<dyn HostVerifier> = Rc::<Witness>::clone(&witness);
    assert!(Es384::host_if_proven(host).is_supported());
    let good = der(SIGNATURE).unwrap();
    let asked = witness.0.borrow();
    let forged = asked.iter().find(|one| **one != good).unwrap();
    assert_eq!(forged.len(), good.len());
    let bits = forged
        .iter()
        .zip(&good)
        .map(|(one, other)| (one ^ other).count_ones());
    assert_eq!(bits.sum::<u32>(), 1);
}

#[test]
fn only_an_outright_yes_counts() {
    assert!(verify(honest, MESSAGE, SIGNATURE));
    assert!(!verify(honest, b"other", SIGNATURE));
    // Nothing in the module could stand in.
    assert!(!verify(|_| HostAnswer::None, MESSAGE, SIGNATURE));
    let unsupported = Es384::unsupported();
    let (x, y) = POINT.split_at(NUMBER);
    let key = PublicKey::new(x, y).unwrap();
    assert!(!unsupported.verify(&key, MESSAGE, &Signature::new(SIGNATURE.to_vec())));
}

#[test]
fn a_signature_is_two_numbers_of_48_bytes() {
    for length in [0, 1, 48, 95, 97, 104, 192] {
        let mut signature = SIGNATURE.repeat(2);
        signature.truncate(length);
        assert_eq!(der(&signature), None, "{length}");
    }
    // What a host would take is refused: a JWS has another form.
    assert!(!verify(
        |_| HostAnswer::Valid,
        MESSAGE,
        &der(SIGNATURE).unwrap()
    ));
    assert!(verify(|_| HostAnswer::Valid, MESSAGE, SIGNATURE));
}

fn numbers(r: &[u8], s: &[u8]) -> Vec<u8> {
    let padded = |number: &[u8]| {
        [
            vec![0; NUMBER.saturating_sub(number.len())].as_slice(),
            number,
        ]
        .concat()
    };
    [padded(r), padded(s)].concat()
}

#[test]
fn numbers_are_written_as_der_wants_them() {
    assert_eq!(
        der(&numbers(&[1], &[0x7f])).unwrap(),
        [0x30, 6, 2, 1, 1, 2, 1, 0x7f]
    );
    assert_eq!(
        der(&numbers(&[0x80], &[0x12, 0x34])).unwrap(),
        [0x30, 8, 2, 2, 0, 0x80, 2, 2, 0x12, 0x34]
    );
    let high = [&[0xfe], [0x55; 47].as_slice()].concat();
    let long = der(&numbers(&high, &high)).unwrap();
    assert_eq!(long[..5], [0x30, 102, 2, 49, 0]);
    assert_eq!(long.len(), 104);
}

#[test]
fn numbers_are_within_the_group() {
    let mut last = ORDER;
    last[NUMBER - 1] -= 1;
    assert!(der(&numbers(&last, &last)).is_some());
    let mut beyond = ORDER;
    beyond[NUMBER - 1] += 1;
    for bad in [&[][..], &ORDER, &beyond, &[0xff; NUMBER]] {
        assert_eq!(der(&numbers(bad, &[1])), None, "{bad:?}");
        assert_eq!(der(&numbers(&[1], bad)), None, "{bad:?}");
    }
}

#[test]
fn coordinates_have_48_bytes_each() {
    let (x, y) = POINT.split_at(NUMBER);
    let key = PublicKey::new(x, y).unwrap();
    assert_eq!(key.spki().len(), 120);
    assert_eq!(format!("{key:?}"), "P-384");
    let long = [&[0], x].concat();
    for bad in [&x[1..], &long, &[]] {
        assert_eq!(PublicKey::new(bad, y), None);
        assert_eq!(PublicKey::new(x, bad), None);
    }
}
