//! Cayley tables: what is accepted, what is rejected and why, and their files.

use crate::support;
use irreplens::Error;
use irreplens::group::{CayleyTable, Cyclic, Elem, Group, GroupExt};
use ndarray::Array2;
use proptest::prelude::{prop_assert_eq, proptest};
use std::fs;
use std::path::PathBuf;

type Rows = Vec<Vec<usize>>;

/// Whether the witness of a rejection really violates the law it names, both sides as reported.
fn holds(error: &Error, t: &Rows) -> bool {
    let Error::LawFails { of: "a group", law, witness, left, right } = error else {
        return false;
    };
    let sides = match (*law, witness.as_slice()) {
        ("closure", &[x, y]) => return t[x][y] == *left && left >= right && *right == t.len(),
        ("latin square row", &[x, y, z]) if t[x][y] == t[x][z] => (y, z),
        ("latin square column", &[x, y, z]) if t[x][z] == t[y][z] => (x, y),
        // The candidate is the only one: no other row fixes element 0.
        ("left identity", &[e, x]) if t.iter().filter(|row| row[0] == 0).count() == 1 => {
            assert_eq!(t[e][0], 0);
            (t[e][x], x)
        }
        ("right identity", &[e, x]) => (t[x][e], x),
        ("associativity", &[x, y, z]) => (t[t[x][y]][z], t[x][t[y][z]]),
        _ => return false,
    };
    sides == (*left, *right) && left != right
}

fn is_group(t: &Rows) -> bool {
    let n = t.len();
    let all = || 0..n;
    let identity = all().find(|&e| all().all(|x| t[e][x] == x && t[x][e] == x));
    identity.is_some_and(|e| {
        all().all(|x| all().any(|y| t[x][y] == e))
            && all().all(|x| all().all(|y| all().all(|z| t[t[x][y]][z] == t[x][t[y][z]])))
    })
}

/// Tries every table whose rows come from `rows` and counts those accepted.
fn accepted(rows: &Rows) -> usize {
    let n = rows[0].len();
    let tables = (0..rows.len().pow(n as u32)).map(|mut code| {
        let row = |_| {
            let row = rows[code % rows.len()].clone();
            code /= rows.len();
            row
        };
        (0..n).map(row).collect::<Rows>()
    });
    tables
        .filter(|table| match CayleyTable::from_rows(table) {
            Ok(_) => {
                assert!(is_group(table));
                true
            }
            Err(error) => {
                assert!(!is_group(table) && holds(&error, table), "{table:?}: {error}");
                false
            }
        })
        .count()
}

/// The number of group tables on n labelled elements is the sum of n! / |Aut G| over the groups G of order n.
#[test]
fn all_small_tables() {
    let words = |n: usize, letters: usize| -> Rows {
        let digits = |code: usize| (0..n).map(|i| code / letters.pow(i as u32) % letters).collect();
        (0..letters.pow(n as u32)).map(digits).collect()
    };
    assert_eq!(accepted(&words(1, 2)), 1);
    assert_eq!(accepted(&words(2, 3)), 2);
    assert_eq!(accepted(&words(3, 3)), 3);
    let is_permutation = |word: &Vec<usize>| (0..4).all(|i| word.contains(&i));
    let permutations: Rows = words(4, 4).into_iter().filter(is_permutation).collect();
    assert_eq!(accepted(&permutations), 12 + 4); // C4 and C2 x C2
}

#[test]
fn shapes() {
    let shape = |rows: &[Vec<usize>]| match CayleyTable::from_rows(rows).unwrap_err() {
        Error::Shape { what, expected, got } => (what, expected, got),
        error => panic!("{error}"),
    };
    assert_eq!(shape(&[]), ("Cayley table".into(), vec![1, 1], vec![0, 0]));
    let ragged = [vec![0, 1], vec![1]];
    assert_eq!(shape(&ragged), ("row 1 of the Cayley table".into(), vec![2], vec![1]));
    let error = CayleyTable::new(Array2::zeros((2, 3))).unwrap_err();
    assert_eq!(error.to_string(), "Cayley table: expected shape [2, 2], got [2, 3]");
}

proptest! {
    #[test]
    fn one_wrong_entry(table in support::shuffled(), cell: (usize, usize), wrong: usize) {
        let n = table.order();
        let mut rows = to_rows(&table);
        let entry = &mut rows[cell.0 % n][cell.1 % n];
        let wrong = wrong % (n + 1);
        if *entry != wrong {
            *entry = wrong;
            let error = CayleyTable::from_rows(&rows).unwrap_err();
            assert!(holds(&error, &rows), "{error}");
        }
    }

    #[test]
    fn a_loop_in_any_order(order in proptest::strategy::Strategy::prop_shuffle(
        proptest::strategy::Just([0_usize, 1, 2, 3, 4]))
    ) {
        const LOOP: [[usize; 5]; 5] = [
            [0, 1, 2, 3, 4],
            [1, 0, 3, 4, 2],
            [2, 4, 0, 1, 3],
            [3, 2, 4, 0, 1],
            [4, 3, 1, 2, 0],
        ];
        let mut rows = vec![vec![0; 5]; 5];
        for (x, row) in LOOP.iter().enumerate() {
            for (y, &product) in row.iter().enumerate() {
                rows[order[x]][order[y]] = order[product];
            }
        }
        let error = CayleyTable::from_rows(&rows).unwrap_err();
        assert!(holds(&error, &rows) && error.to_string().contains("associativity"), "{error}");
    }

    #[test]
    fn tables_pass_their_own_check(table in support::shuffled()) {
        let again = CayleyTable::new(table.table().mapv(Elem::index)).unwrap();
        prop_assert_eq!(again.with_name(table.name()), table);
    }
}

#[test]
fn relabelling_is_an_isomorphism() {
    let c4 = Cyclic::new(4).unwrap().cayley_table();
    let p = [2, 0, 3, 1];
    let new = c4.relabelled(&p).unwrap();
    assert_eq!((new.identity().index(), new.name()), (2, "C4".into()));
    for (x, y) in c4.elements().flat_map(|x| c4.elements().map(move |y| (x, y))) {
        let map = |x: Elem| Elem::new(p[x.index()]);
        assert_eq!(map(c4.compose(x, y)), new.compose(map(x), map(y)));
    }
    let error = c4.relabelled(&[0, 1, 1, 2]).unwrap_err();
    assert!(matches!(error, Error::NotAPermutation { degree: 4, .. }), "{error}");
}

fn to_rows(table: &CayleyTable) -> Rows {
    let row = |row: ndarray::ArrayView1<'_, Elem>| row.iter().map(|x| x.index()).collect();
    table.table().rows().into_iter().map(row).collect()
}

/// A file of this name and content in a folder that lives as long as the test.
fn file(name: &str, content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[test]
fn files_round_trip() {
    let table = Cyclic::new(6).unwrap().cayley_table();
    let table = table.relabelled(&[3, 1, 4, 0, 5, 2]).unwrap();
    let rows = to_rows(&table);

    let (_folder, path) = file("t.json", &serde_json::to_string(&rows).unwrap());
    let unnamed = CayleyTable::from_json(path).unwrap();
    assert_eq!(unnamed.name(), "group of order 6");
    assert_eq!(unnamed.with_name("C6"), table);

    let object = serde_json::json!({ "name": "C6", "table": rows });
    let (_folder, path) = file("t.json", &format!("\n {object:#}"));
    assert_eq!(CayleyTable::from_json(path).unwrap(), table);

    let line = |row: &Vec<usize>| format!("{row:?}\n").replace(['[', ']'], "");
    let (_folder, path) = file("t.csv", &rows.iter().map(line).collect::<String>());
    assert_eq!(CayleyTable::from_csv(path).unwrap().with_name("C6"), table);
}

#[test]
fn bad_files() {
    let json = |content: &str| {
        let (_folder, path) = file("bad.json", content);
        CayleyTable::from_json(path).unwrap_err().to_string()
    };
    let csv = |content: &str| {
        let (_folder, path) = file("bad.csv", content);
        CayleyTable::from_csv(path).unwrap_err().to_string()
    };
    let ends = |message: String, end: &str| {
        assert!(message.contains("bad.") && message.ends_with(end), "{message}");
    };
    ends(json("[[0, 1],\n [1, -2]]"), "integer `-2`, expected usize at line 2 column 7");
    ends(json("{\"name\": \"C2\"}"), "missing field `table` at line 1 column 14");
    ends(json("[[0, 1], [1]]"), "row 1 of the Cayley table: expected shape [2], got [1]");
    ends(json("[[0, 1], [1, 2]]"), "closure fails at [1, 1]: 2 against 2");
    ends(json("[]"), "expected shape [1, 1], got [0, 0]");
    ends(csv("0, 1\n1, x\n"), "without a header, got \"x\" in row 1, column 1");
    ends(csv("0,1\n1\n"), "row 1 of the Cayley table: expected shape [2], got [1]");
    ends(csv("0,1\n1,1\n"), "latin square row fails at [1, 0, 1]: 0 against 1");
    ends(csv(""), "expected shape [1, 1], got [0, 0]");
    let missing = CayleyTable::from_json("no/such.json").unwrap_err();
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("such.json"));
}
