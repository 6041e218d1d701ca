//! Names of groups: read, printed and built, by several routes to one group, and what is no group's.

use irreplens::group::{
    Action, CayleyTable, Cyclic, Dicyclic, Dihedral, Elem, Group, GroupExt, GroupForm, GroupName, Kernel, MatrixFamily,
    SemidirectProduct, Symmetric,
};
use irreplens::{Error, laws};
use proptest::prelude::*;

fn name(text: &str) -> GroupName {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn build(text: &str) -> irreplens::group::NamedGroup {
    name(text).build().unwrap_or_else(|error| panic!("{error}"))
}

fn fails(text: &str) -> String {
    match text.parse::<GroupName>().and_then(|name| name.build()) {
        Ok(group) => panic!("{text} is a group of order {}", group.order()),
        Err(error) => error.to_string(),
    }
}

/// Element order and size of every conjugacy class, sorted, and the order of the centre.
fn invariants(group: &dyn Group) -> (Vec<(usize, usize)>, usize) {
    let class = |class: &Vec<Elem>| (group.element_order(class[0]), class.len());
    let mut classes: Vec<(usize, usize)> = group.conjugacy_classes().iter().map(class).collect();
    classes.sort_unstable();
    (classes, group.center().len())
}

fn alike(left: &str, right: &str) {
    assert_eq!(invariants(&build(left)), invariants(&build(right)), "{left} and {right}");
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
        ("(C2^2)^2", "(C2^2)^2", 16),
        ("C2^2^2", "(C2^2)^2", 16),
        ("C7:C3", "C7:C3", 21),
        ("C8 : {3} C2", "C8:{3}C2", 16),
        ("C2x(C4xC3)", "C2x(C4xC3)", 24),
        ("C3^2:{2}C2", "C3^2:{2}C2", 18),
        ("C2^2 : { #1, #1 } C2^2", "C2^2:{#1,#1}C2^2", 16),
        ("C2xC3:{5}C2", "(C2xC3):{5}C2", 12),
        ("C2 wr S3", "C2wrS3", 48),
        ("c2≀(C2xC2)", "C2wr(C2xC2)", 64),
        ("D4∘Q8", "D4oQ8", 32),
        ("sl(2,5) / z", "SL(2,5)/Z", 60),
        ("D4/<#2, #5>", "D4/<#2,#5>", 2),
        ("hol(c8)", "Hol(C8)", 32),
        ("Aut( Q8 )", "Aut(Q8)", 24),
        ("AΓL(1,8)", "AGammaL(1,8)", 168),
        ("He3", "Heis(3)", 27),
        ("ES-( 2, 2)", "2^(1+4)-", 32),
        ("(ES+(3,1))^1", "(3^(1+2)+)^1", 27),
        ("perm: (1,2,3) (4 5), (1 2)", "perm:(1 2 3)(4 5),(1 2)", 12),
        ("perm:()", "perm:()", 1),
        ("C2 x (perm:(1 2 3))", "C2x(perm:(1 2 3))", 6),
        ("<a,b|a^4,b^2,(ab)^2>", "<a, b | a^4, b^2, (a b)^2>", 8),
        ("<x, y2 | x*x = y2^-3 = 1, [x,y2]>", "<x, y2 | x x = y2^-3 = 1, [x, y2]>", 6),
        ("<a|a^2>", "<a | a^2>", 2),
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

/// Every word of the first column of the table in the documentation, but for signs and paths.
#[test]
fn every_documented_word_is_a_group_of_the_order_it_tells() {
    let (source, page) = (include_str!("../../src/group/name/mod.rs"), include_str!("../../docs/groups.md"));
    let rows = source.lines().filter_map(|line| line.strip_prefix("/// | `")).map(str::to_owned);
    // The second column of the page's first table.
    let of_page = page.split("| files |").next().unwrap().lines().filter_map(|line| line.split_once(" | `"));
    let words: Vec<String> = rows
        .chain(of_page.map(|(_, names)| names.replace(" |", " | ")))
        .map(|row| row.replace("\\|", "\u{0}"))
        .filter_map(|row| row.split(" | ").next().map(|cell| format!("`{cell}").replace('\u{0}', "|")))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| word.chars().count() > 1 && !word.contains("PATH"))
        .collect();
    assert!(words.len() > 65, "{words:?}");
    for word in words {
        let (read, group) = (name(&word), build(&word));
        assert!(read.order().is_none_or(|order| order == group.order()), "{word}");
        assert_eq!(name(&read.to_string()), read);
        if group.order() <= 500 {
            laws::group::check(&group).unwrap_or_else(|violation| panic!("{word}: {violation}"));
        }
    }
}

#[test]
fn families_keep_their_element_orders() {
    let table = |text: &str| build(text).fingerprint();
    assert_eq!(table("C12"), Cyclic::new(12).unwrap().fingerprint());
    assert_eq!(table("D7"), Dihedral::new(7).unwrap().fingerprint());
    assert_eq!(table("Q16"), Dicyclic::new(4).unwrap().fingerprint());
    assert_eq!(table("S5"), Symmetric::new(5).unwrap().fingerprint());
    assert_eq!(table("C7:C3"), SemidirectProduct::affine(7, 3).unwrap().fingerprint());
    assert_eq!(table("AGL(1,11)"), SemidirectProduct::affine(11, 10).unwrap().fingerprint());
    assert_eq!(table("C8:{5}C2"), SemidirectProduct::metacyclic(8, 2, 5).unwrap().fingerprint());
    assert!(matches!(build("S4").form(), GroupForm::Symmetric(_)));
}

#[test]
fn presentations_are_the_groups_they_present() {
    for n in [1, 2, 3, 8, 15] {
        alike(&format!("<a, b | a^{n}, b^2, (a b)^2>"), &format!("D{n}"));
        alike(&format!("<a, x | a^{}, x^2 = a^{n}, x a = a^-1 x>", 2 * n), &format!("Dic{n}"));
    }
    alike("<a, b | a b = b a, a^4, b^6>", "C4xC6");
    alike("<a, b | [a, b], a^4, b^6>", "C4xC6");
    alike("<x, y | x^2, y^3, (x y)^5>", "A5");
    alike("<s, t | (s t)^2 = s^3 = t^5>", "SL(2,5)");
    alike("<a, b, c | a^2, b^2, c^2, (a b)^3, (b c)^3, (a c)^2>", "S4");
    // Coxeter's relations of S_6 and S_7.
    for n in [5, 6, 7] {
        let letters: Vec<char> = ('a'..).take(n - 1).collect();
        let mut relations: Vec<String> = letters.iter().map(|a| format!("{a}^2")).collect();
        for (i, a) in letters.iter().enumerate() {
            let braid = |(j, b): (usize, &char)| format!("({a}{b})^{}", if j == i + 1 { 3 } else { 2 });
            relations.extend(letters.iter().enumerate().skip(i + 1).map(braid));
        }
        let generators: Vec<String> = letters.iter().map(char::to_string).collect();
        let text = format!("<{} | {}>", generators.join(","), relations.join(","));
        assert_eq!(build(&text).conjugacy_classes().len(), [7, 11, 15][n - 5]);
        assert_eq!(build(&text).order(), Symmetric::new(n).unwrap().order());
    }
    // Burnside's group of exponent 3 on two generators.
    alike("<a, b | a^3, b^3, (a b)^3, (a b^-1)^3>", "He3");
    // Coxeter's groups (2, 3, 7; r).
    for (r, other) in [(4, "PSL(2,7)"), (6, "PSL(2,13)"), (7, "PSL(2,13)")] {
        alike(&format!("<a, b | a^2, b^3, (a b)^7, [a, b]^{r}>"), other);
    }
    assert_eq!(build("<a | a^10080>").order(), 10_080);
    // The rows are in breadth-first order.
    let d4 = build("<r, s | r^4, s^2, (r s)^2>");
    assert_eq!(d4.identity(), Elem::new(0));
    assert_eq!(d4.compose(Elem::new(1), Elem::new(1)), Elem::new(3));
}

#[test]
fn matrix_groups_by_other_routes() {
    for (left, right) in [
        ("GL(2,2)", "S3"),
        ("PSL(2,2)", "S3"),
        ("PSL(2,3)", "A4"),
        ("PGL(2,3)", "S4"),
        ("SL(2,4)", "A5"),
        ("PSL(2,4)", "PSL(2,5)"),
        ("PSL(2,5)", "A5"),
        ("PGL(2,5)", "S5"),
        ("SL(2,5)/Z", "A5"),
        ("PSL(2,9)", "A6"),
        ("PSL(2,7)", "GL(3,2)"),
        ("Sp(2,3)", "SL(2,3)"),
        ("Sp(4,2)", "S6"),
        ("Q8:C3", "SL(2,3)"),
        ("C2^2:C3", "A4"),
        ("C2^2:S3", "S4"),
        ("AGL(1,4)", "A4"),
        ("AGL(2,2)", "S4"),
        ("AGammaL(1,4)", "S4"),
        ("GammaL(1,4)", "S3"),
        ("AGL(1,5)", "C5:C4"),
        ("AGL(1,8)", "C2^3:C7"),
        ("AGL(1,9)", "C3^2:C8"),
        ("Hol(C7)", "C7:C6"),
        ("Hol(C2^2)", "S4"),
        ("Hol(C2^3)", "AGL(3,2)"),
        ("Aut(C2^3)", "GL(3,2)"),
        ("Aut(Q8)", "S4"),
        ("Aut(D4)", "D4"),
        ("Aut(S4)", "S4"),
        ("Hol(C3)", "S3"),
    ] {
        alike(left, right);
    }
    // The number of invertible matrices and those of a product of groups, counted and by the formula.
    for (text, order) in [("GL(2,3)", 48), ("GL(2,4)", 180), ("GL(2,9)", 5760), ("SL(3,3)", 5616), ("ASL(2,5)", 3000)] {
        assert_eq!((name(text).order(), build(text).order()), (Some(order), order));
    }
    assert_eq!(name("PSL(2,27)").order(), Some(9828));
    // Matrices stand in lexicographic order: the identity of GL(2,2) is [[1, 0], [0, 1]], behind 0110 and 0111.
    assert_eq!(build("GL(2,2)").identity(), Elem::new(2));
}

#[test]
fn products_with_more_than_their_factors() {
    // Both products of two extraspecial groups of one type are the same.
    alike("D4oD4", "Q8oQ8");
    alike("D4oD4", "2^(1+4)+");
    alike("D4oQ8", "2^(1+4)-");
    alike("Q8", "2^(1+2)-");
    alike("D4", "2^(1+2)+");
    alike("D4oC4", "Q8oC4");
    alike("C4oC4", "C4");
    alike("C6oC4", "C12");
    alike("SL(2,3)oC4", "C4oSL(2,3)");
    alike("C2wrC2", "D4");
    alike("C2wrS3", "C2xS4");
    alike("C2wrS3", "C2wrD3");
    alike("C3wr(perm:(1 2))", "C3wrC2");
    assert_eq!((build("C2wrS3").order(), build("Hol(C8)").order(), build("C2wrQ8").order()), (48, 32, 2048));
    // The centre of a wreath product is the diagonal of the base's.
    assert_eq!(build("C3wrC3").center().len(), 3);
    alike("D4/Z", "C2^2");
    alike("Q16/Z", "D4");
    alike("S4/<#7>", "S3"); // by (0 1)(2 3), whose closure is the Klein four-group
    alike("S4/<#1>", "C1");
    // Odd p: both types have p^2 + p - 1 classes, and exponents p and p^2.
    for p in [3, 5, 7] {
        for (sign, exponent) in [('+', p), ('-', p * p)] {
            let group = build(&format!("{p}^(1+2){sign}"));
            assert_eq!(group.conjugacy_classes().len(), p * p + p - 1);
            assert_eq!(group.element_orders().into_iter().max(), Some(exponent));
        }
    }
    alike("3^(1+2)-", "C9:C3");
    alike("3^(1+2)+", "C3^2:C3");
    alike("3^(1+4)-", "3^(1+2)+o3^(1+2)-");
    alike("3^(1+4)-", "3^(1+2)-o3^(1+2)-");
}

#[test]
fn what_is_no_group_is_said_with_its_place() {
    for (text, message) in [
        ("", "group ``, character 1: expected a group's name, one of C, D, Dic"),
        ("C7:K3", "group `C7:K3`, character 4: expected a group's name, one of"),
        ("C2xx3", "group `C2xx3`, character 4: expected a group's name"),
        ("C2×", "group `C2×`, character 4: expected a group's name"),
        ("C0", "group `C0`, character 2: expected a number from 1 up, got 0"),
        ("C", "group `C`, character 2: expected a number, got the end"),
        ("C99999999999999999999", "character 2: expected a number up to 4294967295, got"),
        ("C2 3", "character 4: expected an operator (^, x, :, wr, o, /) or the end, got `3`"),
        ("(C2", "character 4: expected `)`, got the end"),
        ("Q12", "character 2: expected an order that is a power of two from 8 up (else Dic3, of order 12), got 12"),
        ("GL(2)", "character 5: expected `,`, got `)`"),
        ("3^(1+3)+", "character 6: expected an even number, as in 3^(1+2)+, got 3"),
        ("C2^0", "character 4: expected a number from 1 up"),
        ("D4/<2>", "character 5: expected `#`, got `2`"),
        ("D4/Q8", "character 4: expected `Z` for the centre"),
        ("perm:(1 2)(2 3)", "character 12: expected every point once in a product of disjoint cycles, got 2 again"),
        ("perm:(0 1)", "character 7: expected a number from 1 up, got 0"),
        ("perm:(1 1001)", "character 9: expected a point from 1 to 1000, got 1001"),
        ("perm:(1 a)", "character 9: expected a number, got `a`"),
        ("table:\"a", "character 9: expected a `\"` behind the path, got the end"),
        ("<a, a | a^2>", "character 5: expected generators that differ, got `a` again"),
        ("<a | b^2>", "character 6: expected one of the generators a, got `b`"),
        ("<a | a^2", "character 9: expected `>`, got the end"),
        ("<a | a^99999>", "character 6: expected relations of at most 50000 letters, got more"),
        // What can be read and is no group.
        ("C7:{3}C3", "group `C7:{3}C3`: expected a multiplier u with u^3 = 1 modulo 7, got 3"),
        ("C9:{3}C3", "group `C9:{3}C3`: expected a multiplier u with u^3 = 1 modulo 9, got 3"),
        (
            "C2x(S3:{2}C2)",
            "group `S3:{2}C2`: expected an abelian normal subgroup, of which powers are automorphisms, got S3",
        ),
        ("C5:{4}S3", "expected a cyclic group behind the multiplier, got S3"),
        ("C3:C5", "group `C3:C5`: expected an action other than the trivial one, got none: write C3xC5"),
        ("C8:C2", "up to automorphisms, got several: write one of C8:{3}C2, C8:{5}C2, C8:{7}C2"),
        (
            "C2^3:C2^2",
            "group `C2^3:C2^2`: expected one action with the smallest kernel, up to automorphisms, got several",
        ),
        ("C2xGL(2,6)", "group `GL(2,6)`: expected a field, whose order is the power of a prime, up to 10081, got 6"),
        ("Sp(3,2)", "group `Sp(3,2)`: expected an even number of dimensions, got 3"),
        ("4^(1+2)+", "group `4^(1+2)+`: expected a prime, got 4"),
        (
            "C3oS3",
            "group `C3oS3`: expected centres with elements of one order above 1, got centres of orders 3 and 1: write C3xS3",
        ),
        ("D4/<#8>", "group `D4/<#8>`: expected rows of elements below 8, got #8"),
        ("<a, b | a^2, b^2>", "got none within 1000000 cosets: the group is infinite or too large"),
        ("<a, b | a^-1 b a b^-2, b^-1 a b a^-2>", "expected a presentation that does not collapse"),
        ("<a, b | a^2, b^3, (a b)^7, [a, b]^5>", "expected a presentation that does not collapse"),
        ("<a, b | b^-1 a b = a^2, a^-1 b a = b^2>", "got one in which every generator is 1"),
        ("<a, b, c | a b a^-1 b^-2, b c b^-1 c^-2, c a c^-1 a^-2>", "does not collapse (the trivial group is C1)"),
    ] {
        let error = fails(text);
        assert!(error.contains(message), "{text}: {error}");
        let at = text.parse::<GroupName>();
        assert!(matches!(at, Ok(_) | Err(Error::GroupName { at: Some(_), .. })));
    }
}

#[test]
fn the_actions_that_an_error_lists_are_names() {
    for (text, order, count) in [("C8:C2", 16, 3), ("C2^3:C2^2", 32, 2), ("C15:C2", 30, 3)] {
        let error = fails(text);
        let (_, listed) = error.split_once("write one of ").unwrap();
        let listed: Vec<&str> = listed.split(", ").collect();
        let mut found: Vec<_> = listed.iter().map(|name| invariants(&build(name))).collect();
        assert!(listed.iter().all(|name| build(name).order() == order));
        found.dedup();
        assert_eq!(found.len(), count, "{error}");
    }
    // By the multiplier and by the automorphism, the same rows.
    assert_eq!(build("C7:C3").fingerprint(), build("C7:{#1}C3").fingerprint());
}

#[test]
fn what_is_too_large_is_refused_at_once() {
    for text in [
        "C10081",
        "S8",
        "C2^14",
        "C2^99999999999",
        "C2wrS99",
        "GL(2,11)",
        "GL(999999,2)",
        "PSL(2,29)",
        "S99999999999999",
        "Heis(22)",
        "D9999999999999999999",
        "2^(1+14)+",
        "Hol(C2^4)",
        "Hol(C9973)",
        "Aut(C2^4)",
        "S7xC3",
        "S7wrC2",
        "perm:(1 2 3 4 5 6 7 8),(1 2)",
        "(perm:(1 2 3 4 5 6 7),(1 2))xC3",
        "<a | a^10081>",
        "ES+(3,4294967295)",
        "Dic4294967295",
        "<a, b | a^2, b^3, (a b)^7, [a, b]^8>", // of order 10752
        "<a, b | a^2, b^3, (a b)^7, [a, b]^9>", // infinite
        "<a, b | a^3, b^3, [a, b]^3, (a b)^6, (a b^-1)^99>xC5000",
    ] {
        let started = std::time::Instant::now();
        let error = fails(text);
        let expected = ["10080", "number up to", "too large", "automorphisms"];
        assert!(expected.iter().any(|word| error.contains(word)), "{text}: {error}");
        assert!(started.elapsed().as_secs() < 60, "{text}: {:?}", started.elapsed());
    }
}

#[test]
fn files_are_read_and_their_faults_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let c3 = CayleyTable::from_rows(&[vec![0, 1, 2], vec![1, 2, 0], vec![2, 0, 1]]).unwrap();
    let tables = [
        write("t.json", "[[0,1,2],[1,2,0],[2,0,1]]"),
        write("t.csv", "0,1,2\n1,2,0\n2,0,1\n"),
        write("t.txt", "0 1 2\n1\t2 0\n2 0 1\n\n"),
    ];
    for path in &tables {
        let bare = name(&format!("table: {path} "));
        assert_eq!(name(&bare.to_string()), bare);
        assert_eq!(bare.build().unwrap().fingerprint(), c3.fingerprint());
        assert_eq!(build(&format!("C2x table:\"{path}\" xC2")).order(), 12);
    }
    let order = write("o.json", r#"{"composition": "(p*q)[i] = q[p[i]]", "elements": [[1, 0], [0, 1]]}"#);
    assert_eq!(build(&format!("order:{order}")).identity(), Elem::new(1));
    let generators = write("g.json", r#"{"generators": [[1, 2, 0], [1, 0, 2]]}"#);
    alike(&format!("generators:{generators}"), "S3");

    let wrong_cell = write("w.txt", "0 1 2\n1 2 0\n2 0 2\n");
    let no_number = write("n.txt", "0 1 2\n1 2 x\n2 0 1\n");
    let ragged = write("r.txt", "0 1 2\n1 2\n2 0 1\n");
    let beyond = write("b.json", r#"{"generators": [[1, 3, 0]]}"#);
    let wide = write("wide.txt", &"0 ".repeat(10_082));
    let long = write("long.csv", &"0,1\n".repeat(10_082));
    let missing = folder.path().join("missing.json");
    for (text, message) in [
        (format!("table:{wrong_cell}"), "w.txt: not a group: latin square row fails at [2, 0, 2]"),
        (
            format!("table:{no_number}"),
            "n.txt: expected rows of row indices, without a header, got \"x\" in row 1, column 2",
        ),
        (format!("table:{ragged}"), "r.txt: row 1 of the Cayley table: expected shape [3], got [2]"),
        (format!("generators:{beyond}"), "b.json: permutation 0 is not a permutation of 0..3: [1, 3, 0]"),
        (format!("table:{wide}"), "wide.txt: expected a table of an order up to 10080, got 10082 rows or columns"),
        (format!("table:{long}"), "long.csv: expected a table of an order up to 10080, got 10082 rows or columns"),
        (format!("order:{}", missing.display()), "missing.json: "),
        (format!("order:{generators}"), "g.json: expected an object with \"elements\""),
    ] {
        assert!(fails(&text).contains(message), "{text}: {}", fails(&text));
    }
}

#[test]
fn names_are_their_text_in_json() {
    let names = vec![name("C7:C3"), name("<a | a^3>")];
    let text = serde_json::to_string(&names).unwrap();
    assert_eq!(text, r#"["C7:C3","<a | a^3>"]"#);
    assert_eq!(serde_json::from_str::<Vec<GroupName>>(&text).unwrap(), names);
    let error = serde_json::from_str::<GroupName>("\"C7:\"").unwrap_err().to_string();
    assert!(error.starts_with("group `C7:`, character 4: "), "{error}");
}

/// Names of any shape, groups or not.
fn names() -> impl Strategy<Value = GroupName> {
    let n = 1usize..200;
    let matrix = prop_oneof![Just(MatrixFamily::GL), Just(MatrixFamily::PSL), Just(MatrixFamily::AGammaL)];
    let presentation = prop_oneof![
        Just("<a | a^3>"),
        Just("<a, b2 | [a, b2]^2, a = b2 = (a b2^-1)^-3, 1, (a^2)^3 (a b2) [a, 1]>"),
        Just("<x | >"),
    ];
    let permutations = prop::collection::vec(Just((0..6).collect::<Vec<usize>>()).prop_shuffle(), 1..4);
    let leaf = prop_oneof![
        n.clone().prop_map(GroupName::Cyclic),
        n.clone().prop_map(GroupName::Dihedral),
        n.clone().prop_map(GroupName::Dicyclic),
        n.clone().prop_map(GroupName::Symmetric),
        n.clone().prop_map(GroupName::Alternating),
        n.clone().prop_map(GroupName::Heisenberg),
        (matrix, n.clone(), n.clone()).prop_map(|(family, n, q)| GroupName::Matrix(family, n, q)),
        (n.clone(), n.clone(), any::<bool>()).prop_map(|(p, n, plus)| GroupName::Extraspecial { p, n, plus }),
        presentation.prop_map(name),
        // Fixed points at the end are no part of a product of cycles.
        permutations.prop_map(|all| name(&GroupName::Permutations(all).to_string())),
        "[a-z (),.:^x/]{1,12}".prop_map(|path| name(&format!("table:\"{path}\""))),
    ];
    leaf.prop_recursive(5, 20, 2, move |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        let rows = prop::collection::vec(0usize..9, 1..4);
        let actions =
            prop_oneof![Just(Action::Only), (1usize..9).prop_map(Action::Power), rows.clone().prop_map(Action::Images)];
        prop_oneof![
            two().prop_map(|(left, right)| GroupName::Direct(left, right)),
            two().prop_map(|(left, right)| GroupName::Central(left, right)),
            two().prop_map(|(left, right)| GroupName::Wreath(left, right)),
            (two(), actions).prop_map(|((normal, acting), by)| GroupName::Semidirect { normal, by, acting }),
            (inner.clone(), 1usize..9).prop_map(|(base, k)| GroupName::Power(base.into(), k)),
            inner.clone().prop_map(|of| GroupName::Holomorph(of.into())),
            inner.clone().prop_map(|of| GroupName::Automorphisms(of.into())),
            inner.clone().prop_map(|of| GroupName::Quotient(of.into(), Kernel::Center)),
            (inner.clone(), rows).prop_map(|(of, rows)| GroupName::Quotient(of.into(), Kernel::Closure(rows))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(name in names()) {
        let text = name.to_string();
        prop_assert_eq!(text.parse::<GroupName>().unwrap(), name.clone(), "{}", text);
        // Spaces between its parts change nothing.
        if !text.contains('"') && !text.contains('<') {
            let spaced = text.replace('(', " ( ").replace('x', " x ").replace(',', " , ");
            prop_assert_eq!(spaced.parse::<GroupName>().unwrap(), name.clone(), "{}", spaced);
        }
        // The order is known without building anything, however large.
        let _ = name.order();
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}", pieces in prop::collection::vec(prop::sample::select(vec![
        "C", "D4", "S", "7", "x", ":", "{3}", "wr", "o", "/", "Z", "<", ">", "#1", "(", ")", ",", "^", "-", "|", "a", "b", "=", "[",
        "]", "1", "perm:", "GL", "Hol", "3^(1+2)", "+", "\"", "table:", " ", "×",
    ]), 0..30)) {
        for text in [text, pieces.concat()] {
            if let Ok(name) = text.parse::<GroupName>() {
                prop_assert_eq!(name.to_string().parse::<GroupName>().unwrap(), name);
            }
        }
    }
}

#[test]
fn deep_and_long_text_is_refused_without_a_stack_overflow() {
    let many = 200_000;
    for text in [
        "(".repeat(many),
        "Hol(".repeat(many),
        "C2x".repeat(many) + "C2",
        "C2".to_owned() + &"^2".repeat(many),
        "C2".to_owned() + &"/Z".repeat(many),
        "C2:(".repeat(many),
        format!("<a | {}", "(".repeat(many)),
        format!("<a | {}", "[".repeat(many)),
        format!("<a | {}>", "a ".repeat(many)),
        format!("<a | {}>", "(a^9)^9 ".repeat(many)),
        "3^(1+2)+x".repeat(many),
        format!("perm:({}", "1 ".repeat(many)),
    ] {
        let error = text.parse::<GroupName>().unwrap_err().to_string();
        assert!(error.contains(", character ") && error.len() < 2000, "{error}");
    }
    assert!(format!("C2{}", "xC2".repeat(12)).parse::<GroupName>().unwrap().build().is_ok());
}
