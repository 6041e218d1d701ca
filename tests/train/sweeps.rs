//! Sweeps: plans, every cell once and with the bits that it has alone, and what is wrong with plans and folders.

use irreplens::Error;
use irreplens::atlas::{Atlas, Ended, Entry};
use irreplens::checkpoint::read_tensors;
use irreplens::sweep::{CellState, Plan, Sweep};
use irreplens::train::{StopReason, TrainConfig, Trainer};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Small and large networks, on three groups, of which one has a name of its own and one the published order.
const PLAN: &str = r#"
group = ["C5", "S3", "C7:C3"]
model = ["BetterOneLayerMLP", "BilinearNet"]
layers.embed_dim = [3, 24]
seed = { from = 4, to = 6 }
frac_train = 0.8
lr = 1e-2
weight_decay = 0.5
num_epochs = 60
measure_every = 20
"#;

fn plan(text: &str) -> Plan {
    Plan::parse(text).unwrap()
}

/// Every file of the finished cells, by its path and bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for cell in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = cell.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || !cell.is_dir() {
            continue;
        }
        for file in fs::read_dir(&cell).unwrap().map(|entry| entry.unwrap().path()) {
            all.push((format!("{name}/{}", file.file_name().unwrap().to_string_lossy()), fs::read(&file).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_plan_is_the_product_of_its_values_with_seeds_side_by_side() {
    let plan = plan(PLAN);
    assert_eq!(plan.count(), 3 * 2 * 2 * 3);
    let cells: Vec<_> = (0..plan.count()).map(|i| plan.cell(i).unwrap()).collect();
    for three in cells.chunks(3) {
        let seeds: Vec<u64> = three.iter().map(|cell| cell.settings.seed).collect();
        assert_eq!(seeds, [4, 5, 6]);
        assert!(three.iter().all(|cell| cell.settings.architecture() == three[0].settings.architecture()));
    }
    let mut names: Vec<String> = cells.iter().map(irreplens::sweep::Cell::name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), cells.len(), "every cell has a name of its own");
    assert!(plan.cell(plan.count()).is_err());

    // A name is that of the settings alone, whatever the plan and the order of its keys.
    let alone = self::plan(
        "seed = 5\nlr = 0.01\nweight_decay = 0.5\nnum_epochs = 60.0\nfrac_train = 0.8\nmeasure_every = 20
        group = 'cyclic:5'\nmodel = 'BilinearNet'\n[layers]\nembed_dim = 24",
    );
    assert!(names.contains(&alone.cell(0).unwrap().name()));
    // A rule of stopping is part of it.
    let stops = self::plan(&format!("{PLAN}[stop]\ntrain_loss_below = 0.1"));
    assert!(!names.contains(&stops.cell(0).unwrap().name()));

    // Lists of lists, of tables, and huge counts, which nobody has to list.
    let betas = self::plan(&PLAN.replace("lr = 1e-2", "lr = 1e-2\nbetas = [[0.9, 0.98], [0.8, 0.9]]"));
    assert_eq!((betas.count(), betas.cell(0).unwrap().settings.betas), (72, (0.9, 0.98)));
    let many = self::plan(&PLAN.replace("to = 6", "to = 10000000000000000000"));
    assert_eq!(many.count(), 12 * (10_000_000_000_000_000_000 - 3));
    assert_eq!(many.cell(many.count() - 1).unwrap().settings.seed, 10_000_000_000_000_000_000);
}

#[test]
fn what_is_wrong_with_a_plan_is_named() {
    let changed = |from: &str, to: &str| Plan::parse(&PLAN.replace(from, to)).unwrap_err().to_string();
    for (from, to, said) in [
        ("lr = 1e-2", "learning_rate = 1e-2", "the key learning_rate"),
        ("lr = 1e-2", "lrs = 1e-2", "is lr meant?"),
        ("layers.embed_dim", "layers.embed_dims", "is layers.embed_dim meant?"),
        ("lr = 1e-2\n", "", "`lr`"),
        ("lr = 1e-2", "lr = [1e-2, -1]", "got -1"),
        ("lr = 1e-2", "lr = []", "leaves no cells"),
        ("from = 4", "from = 7", "leaves no cells"),
        ("from = 4", "form = 7", "form"),
        ("lr = 1e-2", "lr = [1e-2, 0.01]", "0.01 again"),
        ("\"C5\"", "\"Z5\", \"C5\"", "again"),
        ("\"C5\"", "\"M(5\"", "M(5"),
        ("\"C5\"", "\"C0\"", "C0"),
        ("\"C5\"", "\"<a, b | a^2, b^2>\"", "<a, b | a^2, b^2>"),
        ("\"C5\"", "\"CayleyTable\"", "group_parameter"),
        ("BilinearNet", "BilinearNets", "BilinearNets"),
        ("measure_every = 20", "measure_every = 20\nmeasure = [\"everything\"]", "everything"),
        ("measure_every = 20", "[stop]\ntest_loss = 1", "test_loss"),
        ("measure_every = 20", "[keep]\nweight = true", "weight"),
        ("lr = 1e-2", "lr = 1e-2 1", "line 7"),
        ("lr = 1e-2", "lr = nan", "lr"),
    ] {
        let got = changed(from, to);
        assert!(got.contains(said) && got.starts_with("plan.toml"), "{to}: {got}");
    }
    assert!(matches!(Plan::read("no such plan.toml"), Err(Error::Io { .. })));
    // Settings that do not go together are found before anything is trained.
    let folder = tempfile::tempdir().unwrap();
    let text = PLAN.replace("lr = 1e-2", "lr = 1e-2\nwarmup_epochs = 0") + "\n[stop]\ntest_loss_below = 0.1";
    let text = text.replace("frac_train = 0.8", "frac_train = 1");
    let ran = Sweep::open(plan(&text), folder.path()).unwrap().run().unwrap();
    assert!(ran.failed.len() == 36 && ran.failed[0].1.to_string().contains("test pairs"));
    assert!(contents(folder.path()).is_empty());
}

#[test]
fn every_cell_has_the_bits_that_it_has_alone_in_whatever_parts_and_threads() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sweep = Sweep::open(plan(PLAN), whole.path()).unwrap();
    assert!(sweep.states().unwrap().iter().all(|(_, state)| *state == CellState::Waiting));
    let ran = sweep.run().unwrap();
    assert!(ran.done == 36 && ran.failed.is_empty() && !ran.broken_off, "{ran:?}");
    assert!(sweep.states().unwrap().iter().all(|(_, state)| *state == CellState::Done));
    assert_eq!(fs::read_dir(whole.path().join(".running")).unwrap().count(), 0);
    for i in 0..36 {
        let cell = sweep.plan().cell(i).unwrap();
        let config = TrainConfig { measure_every: 20, ..TrainConfig::from(&cell.settings) };
        let mut alone = Trainer::from_settings(&cell.settings, config).unwrap();
        let outcome = alone.run().unwrap();
        let folder = whole.path().join(cell.name());
        assert_eq!(read_tensors(folder.join("model.safetensors")).unwrap(), alone.network().tensors());
        let entry = Entry::read(&folder).unwrap();
        assert_eq!(entry.metrics, Some(outcome.metrics));
        assert_eq!((entry.ended, entry.epochs), (Some(Ended::Stopped(StopReason::EpochsReached)), Some(60)));
        let all = entry.measures.unwrap().all;
        let n = cell.settings.order().unwrap();
        let test = outcome.metrics.test.unwrap();
        let train = (0.8 * (n * n) as f64).floor();
        let mean = (train * outcome.metrics.train.loss + ((n * n) as f64 - train) * test.loss) / (n * n) as f64;
        assert!((all.loss - mean).abs() < 1e-5 * mean, "{} against {mean}", all.loss);
    }

    let pool = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    for part in 1..=3 {
        let sweep = Sweep::open(plan(PLAN), parts.path()).unwrap().shard(part, 3).unwrap();
        assert_eq!(pool.install(|| sweep.run()).unwrap().done, 12);
    }
    assert_eq!(contents(whole.path()), contents(parts.path()));
    let tables = [whole.path(), parts.path()].map(|folder| {
        let atlas = Atlas::read(folder).unwrap();
        atlas.networks().csv() + &atlas.irreps().csv()
    });
    assert!(tables[0] == tables[1] && tables[0].lines().count() == 2 + 36 + 12 * (3 + 3 + 3));
    assert!(Sweep::open(plan(PLAN), parts.path()).unwrap().shard(4, 3).is_err());
}

#[test]
fn what_is_broken_off_goes_on_where_it_was() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = PLAN.replace("num_epochs = 60", "num_epochs = 2000");
    Sweep::open(plan(&text), whole.path()).unwrap().run().unwrap();
    let mut calls = 0;
    loop {
        calls += 1;
        let flag = Arc::new(AtomicBool::new(false));
        let sweep = Sweep::open(plan(&text), broken.path()).unwrap().interrupted_by(Arc::clone(&flag));
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(40 * calls));
            flag.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let ran = sweep.run().unwrap();
        assert!(ran.failed.is_empty(), "{ran:?}");
        // No time decides anything: what was made in the far future is no newer.
        let far =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(if calls % 2 == 0 { 4_000_000_000 } else { 1 });
        for running in fs::read_dir(broken.path().join(".running")).unwrap().flatten() {
            let lock = fs::File::options().append(true).open(running.path().join(".lock")).unwrap();
            lock.set_modified(far).unwrap();
        }
        if !ran.broken_off {
            break;
        }
    }
    assert_eq!(contents(whole.path()), contents(broken.path()));
}

#[test]
fn a_folder_is_of_one_plan() {
    let folder = tempfile::tempdir().unwrap();
    Sweep::open(plan(PLAN), folder.path()).unwrap();
    let before = fs::read(folder.path().join("plan.toml")).unwrap();
    // Comments and the order of keys make no other plan.
    Sweep::open(plan(&format!("# first\n{PLAN}")), folder.path()).unwrap();
    let other = Sweep::open(plan(&PLAN.replace("lr = 1e-2", "lr = 2e-2")), folder.path()).err().unwrap();
    assert!(matches!(other, Error::RunDiffers { .. }), "{other}");
    assert!(other.to_string().contains("plan"), "{other}");
    assert_eq!(before, fs::read(folder.path().join("plan.toml")).unwrap());
    assert!(matches!(Sweep::in_folder(folder.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn what_fails_is_told_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = PLAN.replace("group = [\"C5\", \"S3\", \"C7:C3\"]", "group = \"C5\"");
    let sweep = Sweep::open(plan(&text), folder.path()).unwrap();
    // A folder in the place of a file: the cell cannot be written, as on a full disk.
    let name = sweep.plan().cell(7).unwrap().name();
    let obstacle = folder.path().join(".running").join(&name).join("metrics.csv");
    fs::create_dir_all(&obstacle).unwrap();
    assert_eq!(sweep.states().unwrap()[7].1, CellState::Interrupted);
    let ran = sweep.run().unwrap();
    assert!(ran.broken_off && ran.failed.len() == 1 && ran.failed[0].0 == name, "{ran:?}");
    assert!(ran.failed[0].1.to_string().contains("metrics.csv"));
    assert!(matches!(&sweep.states().unwrap()[7].1, CellState::Failed(why) if why.contains("metrics.csv")));
    fs::remove_dir(&obstacle).unwrap();
    let again = sweep.run().unwrap();
    assert_eq!((ran.done + again.done, again.failed.len()), (12, 0));
    assert!(sweep.states().unwrap().iter().all(|(_, state)| *state == CellState::Done));
}

#[test]
fn a_network_that_diverges_is_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let text = PLAN.replace("lr = 1e-2", "lr = [1e-2, 1e30]").replace("\"C5\", ", "");
    let sweep = Sweep::open(plan(&text), folder.path()).unwrap();
    assert_eq!(sweep.run().unwrap().done, 48);
    let atlas = Atlas::read(folder.path()).unwrap();
    let diverged = atlas.entries().iter().filter(|entry| entry.ended == Some(Ended::Diverged));
    assert_eq!(diverged.filter(|entry| entry.measures.is_none() && entry.settings.lr == 1e30).count(), 24);
    let found = atlas.frequencies();
    assert!(found.iter().all(|found| found.networks == 3 && [0, 3].contains(&found.diverged)));
    assert!(found.iter().any(|found| found.ended.get("diverged") == Some(&3)));
}
