//! Atlases: tables, frequencies, the test of exchanged irreps and the comparison of two atlases, on planted networks.

use irreplens::atlas::{Atlas, Column, Entry, Question, measure};
use irreplens::checkpoint::Run;
use irreplens::sweep::{Plan, Sweep};
use serde_json::{Value, json};

/// Networks on a group of the shape that a sweep makes, whose key irreps are planted: each of these, by its place.
fn planted(group: &str, keys: &[&[usize]]) -> Atlas {
    let folder = tempfile::tempdir().unwrap();
    let plan = format!(
        "group = '{group}'\nmodel = 'BetterOneLayerMLP'\nlayers.embed_dim = 4\nseed = 1\nfrac_train = 0.9\nlr = 1e-2
        weight_decay = 0\nnum_epochs = 5"
    );
    Sweep::open(Plan::parse(&plan).unwrap(), folder.path()).unwrap().run().unwrap();
    let entry = Atlas::read(folder.path()).unwrap().entries()[0].clone();
    let plant = |(seed, key): (usize, &&[usize])| -> Entry {
        let mut value: Value = json!(entry);
        value["settings"]["seed"] = json!(seed);
        value["name"] = json!(format!("network {seed}"));
        for (i, irrep) in value["measures"]["irreps"].as_array_mut().unwrap().iter_mut().enumerate() {
            irrep["key"] = json!(key.contains(&i));
            irrep["trace_similarity"] = json!(if key.contains(&i) { 0.6 - 0.01 * i as f64 } else { 0.001 });
        }
        serde_json::from_value(value).unwrap()
    };
    Atlas::new(keys.iter().enumerate().map(plant).collect())
}

/// A number of networks for each set.
fn repeated<'a>(sets: &[(usize, &'a [usize])]) -> Vec<&'a [usize]> {
    sets.iter().flat_map(|&(count, set)| std::iter::repeat_n(set, count)).collect()
}

#[test]
fn frequencies_are_those_planted() {
    let atlas = planted("C7", &repeated(&[(10, &[1]), (5, &[2, 3]), (3, &[]), (2, &[1, 2])]));
    let found = &atlas.frequencies()[0];
    assert_eq!((found.networks, found.experiment.as_str()), (20, "C7"));
    let key: Vec<u64> = found.irreps.iter().map(|irrep| irrep.key.seen).collect();
    assert_eq!(key, [12, 7, 5]);
    let leading: Vec<u64> = found.irreps.iter().map(|irrep| irrep.leading.seen).collect();
    // Where there is no key irrep all are alike, and the last of equal ones leads.
    assert_eq!(leading[..2], [12, 5]);
    let sets: Vec<(usize, u64)> = found.sets.iter().map(|set| (set.irreps.len(), set.seen.seen)).collect();
    assert_eq!(sets, [(1, 10), (2, 5), (0, 3), (2, 2)]);
    assert!((found.key_count.unwrap().mean - 24.0 / 20.0).abs() < 1e-12);
    let table = atlas.networks();
    let Some(Column::Text(keys)) = table.column("key_irreps") else { panic!("no key irreps") };
    assert_eq!(keys[0].as_deref(), Some("frequency 1"));
    assert_eq!(keys[17].as_deref(), Some("none"));
    assert_eq!(table.csv().lines().count(), 21);
}

#[test]
fn exchanged_irreps_that_differ_are_found_and_others_are_not() {
    // All frequencies of C7 are exchanged: thirty networks on one of them are not by chance.
    let skewed = planted("C7", &repeated(&[(30, &[1]), (3, &[2]), (3, &[3])])).exchangeability().unwrap();
    assert!(skewed[0].p < 0.001 && skewed[0].p_leading < 0.001, "{skewed:?}");
    assert_eq!(skewed[0].orbits[0].len(), 3);
    let even = planted("C7", &repeated(&[(12, &[1]), (11, &[2]), (13, &[3])])).exchangeability().unwrap();
    assert!(even[0].p > 0.5, "{even:?}");
    // Sets count as one network, not as so many: 18 times two irreps of one orbit are 18 networks.
    let pairs = planted("C7", &repeated(&[(6, &[1, 2]), (6, &[2, 3]), (6, &[1, 3])])).exchangeability().unwrap();
    assert!(pairs[0].p > 0.9, "{pairs:?}");
    // S4 has no automorphisms but its own elements: nothing is exchanged.
    assert!(planted("S4", &repeated(&[(9, &[1])])).exchangeability().unwrap().is_empty());
}

#[test]
fn two_atlases_differ_where_they_do() {
    let a = planted("C7", &repeated(&[(20, &[1]), (20, &[2])]));
    let b = planted("C7", &repeated(&[(22, &[1]), (18, &[2])]));
    let c = planted("C7", &repeated(&[(38, &[1]), (2, &[2])]));
    let same = &a.compare(&b)[0];
    assert!(same.p > 0.5 && same.irreps.iter().all(|irrep| irrep.p > 0.5), "{same:?}");
    let other = &a.compare(&c)[0];
    assert!(other.p < 0.001 && other.irreps[0].p < 0.001 && other.irreps[2].p == 1.0, "{other:?}");
    // Chi square of the table by hand: 20, 20 against 38, 2.
    let expected = 2.0 * (9.0f64.powi(2) / 29.0 + 9.0f64.powi(2) / 11.0);
    assert!((other.statistic - expected).abs() < 1e-12, "{}", other.statistic);
    assert!(a.compare(&planted("S3", &[&[1]])).is_empty(), "other groups are not compared");
}

#[test]
fn all_questions_have_answers() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/D53");
    let all = [Question::Appearance, Question::Cosets, Question::Explanation, Question::Certificate];
    let found = measure(&Run::open(folder).unwrap(), None, &all).unwrap();
    assert!(found.certified.unwrap().accuracy > 0.9 && found.explained.unwrap().agreement > 0.99);
    assert!(found.on_cosets.is_some() && found.notes.is_empty(), "{:?}", found.notes);
    let pure: usize = found.irreps.iter().filter_map(|irrep| irrep.pure_neurons).sum();
    assert_eq!(pure + found.impure_neurons.unwrap(), found.neurons);
}

#[test]
fn the_plans_that_are_kept_can_be_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sweeps");
    let mut cells = Vec::new();
    for plan in std::fs::read_dir(folder).unwrap() {
        let plan = Plan::read(plan.unwrap().path()).unwrap();
        plan.experiments().for_each(|cell| drop(cell.unwrap()));
        cells.push(plan.count());
    }
    cells.sort_unstable();
    assert_eq!(cells, [100, 240, 1200, 1200]);
}
