//! Names of groups: read, printed and built.

use irreplens::group::{Cyclic, Dihedral, Group, GroupExt, GroupName, SemidirectProduct};
use irreplens::laws;

fn name(text: &str) -> GroupName {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn fails(text: &str) -> String {
    match text.parse::<GroupName>().and_then(|name| name.build()) {
        Ok(group) => panic!("{text} is a group of order {}", group.order()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn words_and_their_printed_form() {
    for (text, printed, order) in [
        ("C113", "C113", 113),
        ("cyclic:113", "C113", 113),
        ("D53", "D53", 106),
        ("dihedral: 53", "D53", 106),
        ("Q16", "Q16", 16),
        ("Dic4", "Q16", 16),
        ("dic3", "Dic3", 12),
        ("symmetric:5", "S5", 120),
        ("Alt6", "A6", 360),
        ("C2 x C4", "C2xC4", 8),
        ("c2*c4×C3", "C2xC4xC3", 24),
        ("C2^5", "C2^5", 32),
        ("C7:C3", "C7:C3", 21),
        ("C8 : {3} C2", "C8:{3}C2", 16),
        ("C2x(C4xC3)", "C2x(C4xC3)", 24),
        ("C3^2:{2}C2", "C3^2:{2}C2", 18),
        ("perm: (1,2,3) (4 5), (1 2)", "perm:(1 2 3)(4 5),(1 2)", 12),
        ("perm:()", "perm:()", 1),
    ] {
        let read = name(text);
        assert_eq!(read.to_string(), printed);
        assert_eq!(name(printed), read);
        let group = read.build().unwrap();
        assert_eq!((group.order(), group.name().as_str()), (order, printed));
        assert!(read.order().is_none_or(|known| known == order), "{text}");
        laws::group::check(&group).unwrap();
    }
}

#[test]
fn families_keep_their_element_orders() {
    let table = |text: &str| name(text).build().unwrap().fingerprint();
    assert_eq!(table("C12"), Cyclic::new(12).unwrap().fingerprint());
    assert_eq!(table("D7"), Dihedral::new(7).unwrap().fingerprint());
    assert_eq!(table("C7:C3"), SemidirectProduct::affine(7, 3).unwrap().fingerprint());
}
