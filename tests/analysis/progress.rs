//! Progress measures: against their definition written out in `f64`, and on a run made up here.

use crate::models;
use crate::oracle::{Case, near, rows, values};
use irreplens::analysis::{
    IrrepRow, Progress, component_norms, embedding, margin, neurons, phases, progress, progress_measures, rank_one,
    representation, sparsity,
};
use irreplens::checkpoint::{Run, Tensor, Tensors, write_safetensors};
use irreplens::fourier::{FourierBasis, IrrepBasis};
use irreplens::group::Dihedral;
use irreplens::model::{ActivationCache, Evaluation, Hooks, Interpretable, Readout, Site};
use irreplens::task::{Pair, Split};
use irreplens::{Error, Result, laws};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::ThreadPoolBuilder;
use std::collections::BTreeMap;
use std::path::Path;

/// Mean loss and accuracy of logits (pairs, n) over some of the pairs.
fn evaluation(case: &Case, logits: &[Vec<f64>], pairs: &[usize]) -> Option<Evaluation> {
    let (mut loss, mut correct) = (0.0, 0);
    for &i in pairs {
        let (row, label) = (&logits[i], case.task.labels()[i] as usize);
        loss += (0..case.n).filter(|&z| z != label).map(|z| (row[z] - row[label]).exp()).sum::<f64>().ln_1p();
        correct += usize::from((0..case.n).all(|z| row[z] < row[label] || row[z] == row[label] && z >= label));
    }
    let count = pairs.len() as f64;
    (!pairs.is_empty()).then(|| Evaluation::new(loss / count, correct as f64 / count))
}

/// `activations W_U + offset`.
fn read(model: &(impl Interpretable + ?Sized), activations: &[Vec<f64>], with_offset: bool) -> Vec<Vec<f64>> {
    let weights = rows(model.readout().unembedding().unwrap());
    let (n, bias) = (model.order(), model.readout().bias().map(|bias| bias.to_vec()));
    let offset = |z: usize| bias.as_ref().filter(|_| with_offset).map_or(0.0, |bias| f64::from(bias[z]));
    let logit = |row: &Vec<f64>, z| (0..row.len()).map(|k| row[k] * weights[k][z]).sum::<f64>() + offset(z);
    activations.iter().map(|row| (0..n).map(|z| logit(row, z)).collect()).collect()
}

/// At every pair, the part along xy of the hidden layer in these blocks.
fn part(case: &Case, hidden: &[Vec<f64>], blocks: &[usize]) -> Vec<Vec<f64>> {
    let width = hidden[0].len();
    let mut mean = vec![vec![0.0; width]; case.n];
    for (i, row) in hidden.iter().enumerate() {
        let p = case.task.labels()[i] as usize;
        (0..width).for_each(|k| mean[p][k] += row[k] / case.n as f64);
    }
    let mut projected = vec![vec![0.0; width]; case.n];
    for sector in &case.sectors {
        for row in case.blocks.iter().enumerate().filter(|(b, _)| blocks.contains(b)).flat_map(|(_, rows)| rows) {
            for k in 0..width {
                let coefficient: f64 = sector.iter().zip(&case.rows[*row]).map(|(&p, v)| v * mean[p][k]).sum();
                sector.iter().zip(&case.rows[*row]).for_each(|(&p, v)| projected[p][k] += v * coefficient);
            }
        }
    }
    case.task.labels().iter().map(|&p| projected[p as usize].clone()).collect()
}

#[track_caller]
fn same(what: &str, got: Option<Evaluation>, want: Option<Evaluation>) {
    assert_eq!(got.is_some(), want.is_some(), "{what}");
    if let (Some(got), Some(want)) = (got, want) {
        near(&format!("{what}: loss"), [got.loss], [want.loss]);
        assert!((got.accuracy - want.accuracy).abs() < 0.1, "{what}: accuracy"); // may turn on a tie
    }
}

fn check(what: &str, case: &Case, model: &(impl Interpretable + ?Sized), split: &Split) {
    let keys: Vec<usize> = (0..case.blocks.len()).rev().step_by(2).collect();
    let found = progress_measures(model, &case.basis, &case.task, split, &case.ids(&keys)).unwrap();
    let hidden = values(model, case, model.readout().site());
    let logits = read(model, &hidden, true);
    let all: Vec<usize> = (0..case.n * case.n).collect();
    same(&format!("{what}: train"), found.train, evaluation(case, &logits, &split.train));
    same(&format!("{what}: test"), found.test, evaluation(case, &logits, &split.test));

    let ablated = |blocks: &[usize]| {
        let part = part(case, &hidden, blocks);
        let less = |(logits, part): (&Vec<f64>, Vec<f64>)| logits.iter().zip(part).map(|(l, p)| l - p).collect();
        let without: Vec<Vec<f64>> = logits.iter().zip(read(model, &part, false)).map(less).collect();
        let restricted = evaluation(case, &read(model, &part, true), &all);
        (restricted, evaluation(case, &without, &split.train))
    };
    let (restricted, excluded) = ablated(&keys);
    same(&format!("{what}: restricted"), Some(found.restricted), restricted);
    same(&format!("{what}: excluded"), found.excluded, excluded);

    let clusters = neurons(model, &case.basis).unwrap();
    let maps = match model.as_separable() {
        Some(maps) => Some((maps.left(), maps.right())),
        None => model.embeddings(),
    };
    let share = |map: ArrayView2<'_, f32>, b: usize| {
        let norms = component_norms(&case.basis, map).unwrap().sum_axis(Axis(0));
        case.blocks[b].iter().map(|&row| norms[row]).sum::<f64>() / norms.sum()
    };
    assert!(found.keys.iter().map(|key| key.block.index()).eq(keys.iter().copied()), "{what}");
    for key in &found.keys {
        let (block, what) = (key.block.index(), format!("{what}, block {}", key.block));
        let (restricted, excluded) = ablated(&[block]);
        same(&format!("{what}: restricted"), Some(key.restricted), restricted);
        same(&format!("{what}: excluded"), key.excluded, excluded);
        assert_eq!(key.neurons, clusters.clusters().get(&block).map_or(0, Vec::len), "{what}");
        assert_eq!(key.name, case.basis.blocks()[block].name);
        assert_eq!(key.left_share, maps.map(|(left, _)| share(left, block)), "{what}");
        assert_eq!(key.right_share, maps.map(|(_, right)| share(right, block)), "{what}");
        let unembed = model.readout().unembedding().unwrap();
        assert_eq!(key.unembed_share, Some(share(unembed.t(), block)), "{what}");
        if case.n > 1 {
            let centred = &unembed - &unembed.mean_axis(Axis(1)).unwrap().insert_axis(Axis(1));
            near(&what, key.unembed_share_centred, [share(centred.t(), block)]);
        }
    }
    let of_keys: usize = found.keys.iter().map(|key| key.neurons).sum();
    assert_eq!(found.dim_neurons, clusters.dim().len(), "{what}");
    let without = found.tied_neurons + found.constant_neurons + found.dim_neurons;
    assert_eq!(of_keys + found.other_neurons + without, clusters.neurons.len(), "{what}");
}

#[test]
fn the_definition_in_double_precision() {
    for case in [Case::cyclic(1), Case::cyclic(6), Case::dihedral(4), Case::dihedral(5), Case::shuffled()] {
        let split = Split::random(case.n, 0.4, 3).unwrap(); // of C1's one pair: no training pairs
        let mut models = models::all(case.n, 300);
        models.push(("recorded", Box::new(models::recorded(case.n, true, 305))));
        for (kind, model) in models {
            let what = format!("{}, {kind}", case.name);
            match model.readout().unembedding() {
                Some(_) => check(&what, &case, &model, &split),
                None => {
                    let error = progress_measures(&model, &case.basis, &case.task, &split, &[]).unwrap_err();
                    assert_eq!(error.to_string(), "progress measures needs a model with an unembedding", "{what}");
                }
            }
        }
    }
}

#[test]
fn sets_may_be_empty_and_in_any_order() {
    let case = Case::dihedral(3);
    let model = models::one_layer(6, 3, 5, false, 310);
    let all: Vec<usize> = (0..36).collect();
    let measures = |train: &[usize], test: &[usize]| {
        let split = Split::new(case.task.order(), train.to_vec(), test.to_vec()).unwrap();
        check("D3", &case, &model, &split);
        progress_measures(&model, &case.basis, &case.task, &split, &case.ids(&[1])).unwrap()
    };
    let everything = measures(&all, &[]);
    assert_eq!(everything.test, None);
    assert_eq!(everything.train, Some(model.evaluate(&case.task, &Hooks::none()).unwrap()));
    let backwards: Vec<usize> = all.iter().rev().copied().collect();
    assert_eq!(measures(&backwards, &[]), everything);
    let nothing = measures(&[], &all);
    assert_eq!((nothing.train, nothing.excluded, nothing.keys[0].excluded), (None, None, None));
    assert!(nothing.to_string().contains("there are no training pairs"), "{nothing}");
    let text = serde_json::to_value(&nothing).unwrap();
    assert!(text["train"].is_null() && text["keys"][0]["excluded"].is_null());
}

#[test]
fn no_keys_no_weights() {
    let case = Case::dihedral(3);
    let split = Split::random(6, 0.5, 1).unwrap();
    let width = 4;
    let zeros = Array2::zeros((6, width));
    let model = irreplens::model::Network::summed(zeros.clone(), zeros, Array2::zeros((width, 6))).unwrap();
    let found = progress_measures(&model, &case.basis, &case.task, &split, &case.ids(&[1])).unwrap();
    near("a guess", [found.restricted.loss, found.excluded.unwrap().loss], [6f64.ln(); 2]);
    assert_eq!((found.dim_neurons, found.keys[0].left_share, found.keys[0].unembed_share), (width, None, None));
    let none = progress_measures(&model, &case.basis, &case.task, &split, &[]).unwrap();
    assert_eq!((none.keys.len(), none.excluded), (0, none.train));
}

#[test]
fn what_is_refused() {
    let (case, other) = (Case::dihedral(3), Case::cyclic(5));
    let model = models::summed(6, 4, 320);
    let split = Split::random(6, 0.5, 1).unwrap();
    let measures = |basis: &Case, task: &Case, split: &Split| {
        progress_measures(&model, &basis.basis, &task.task, split, &basis.ids(&[1])).unwrap_err()
    };
    assert!(matches!(measures(&other, &case, &split), Error::Shape { .. }));
    assert!(matches!(measures(&case, &other, &split), Error::Shape { .. }));
    let mut beyond = split.clone();
    beyond.test.push(36);
    let error = measures(&case, &case, &beyond).to_string();
    assert_eq!(error, "split: expected pairs below 36, the number there are, got pair 36 in the test set");
    let smaller = Split::random(5, 0.5, 1).unwrap();
    assert!(matches!(measures(&case, &case, &smaller), Error::Shape { .. }));

    /// Its neurons are not what the unembedding reads.
    struct Elsewhere(irreplens::model::Network);
    impl Interpretable for Elsewhere {
        fn order(&self) -> usize {
            self.0.order()
        }
        fn sites(&self) -> Vec<Site> {
            self.0.sites()
        }
        fn neuron_site(&self) -> &str {
            "hidden1"
        }
        fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
            self.0.run_with_hooks(pairs, hooks, keep)
        }
        fn readout(&self) -> Readout<'_> {
            self.0.readout()
        }
    }
    let model = Elsewhere(models::two_layer(6, 4, 5, 1));
    laws::model::check(&model).unwrap();
    let error = progress_measures(&model, &case.basis, &case.task, &split, &case.ids(&[1])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "progress measures needs a model whose neurons reach the logits through linear steps alone"
    );
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let case = Case::dihedral(19);
    let model = models::one_layer(38, 8, 24, true, 330);
    let split = Split::random(38, 0.3, 1).unwrap();
    let with = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| progress_measures(&model, &case.basis, &case.task, &split, &case.ids(&[1, 4, 9])).unwrap())
    };
    assert_eq!(with(1), with(3));
}

/// A run of D3 with these checkpoints, weights growing with the epoch.
fn write_run(directory: &Path, epochs: &[u64]) {
    let config = r#"{"model": "BetterOneLayerMLP", "group": "DihedralGroup", "group_parameter": 3, "seed": 1,
        "frac_train": 0.4, "layers": {"embed_dim": 5}, "lr": 0.001, "weight_decay": 1, "num_epochs": 2000}"#;
    std::fs::write(directory.join("cfg.json"), config).unwrap();
    let tensors = |epoch: u64| {
        let mut draw = models::Draw::new(epoch);
        let mut tensor = |rows, columns| Tensor::F32((draw.matrix(rows, columns) * (1.0 + epoch as f32)).into_dyn());
        let weights = [("W_E_a", tensor(6, 5)), ("W_E_b", tensor(6, 5)), ("W_U", tensor(5, 6))];
        let moments = [("adamw.W_U.first", tensor(5, 6)), ("adamw.W_U.second", tensor(5, 6))];
        weights.into_iter().chain(moments).map(|(name, t)| (name.to_owned(), t)).collect::<Tensors>()
    };
    write_safetensors(directory.join("model.safetensors"), &tensors(7), &BTreeMap::new()).unwrap();
    let train = Tensor::I64(ndarray::arr1(&[3, 30, 8, 1, 17, 22]).into_dyn());
    let task = Tensors::from([("train".to_owned(), train)]);
    write_safetensors(directory.join("task.safetensors"), &task, &BTreeMap::new()).unwrap();
    std::fs::create_dir(directory.join("checkpoints")).unwrap();
    for &epoch in epochs {
        let path = directory.join("checkpoints").join(Run::checkpoint_name(epoch));
        write_safetensors(path, &tensors(epoch), &BTreeMap::new()).unwrap();
    }
}

#[test]
fn a_runs_checkpoints_are_the_rows() {
    let case = Case::dihedral(3);
    let group = Dihedral::new(3).unwrap();
    let irreps = IrrepBasis::new(&group).unwrap();
    let directory = tempfile::tempdir().unwrap();
    write_run(directory.path(), &[5, 0, 1]);
    let run = Run::open(directory.path()).unwrap();
    let found = progress(&run, &case.basis, &irreps, &case.task).unwrap();
    let Progress { keys, key_irreps, rows, .. } = &found;
    assert_eq!(rows.iter().map(|row| row.epoch).collect::<Vec<_>>(), [0, 1, 5]);
    let checkpoints = run.checkpoints().unwrap();
    let (last, split) = (run.model().unwrap(), run.split().unwrap());
    let clusters = neurons(&last, &case.basis).unwrap().clusters();
    assert!(clusters.keys().eq(keys) && !keys.is_empty());
    assert_eq!(*key_irreps, representation(&last, &group, &irreps, &case.task, &split).unwrap().key);
    assert!(found.notes.is_empty() && !key_irreps.is_empty());
    for (row, (_, path)) in rows.iter().zip(&checkpoints) {
        let at = run.at(path).unwrap();
        let model = at.model().unwrap();
        let of_keys = progress_measures(&model, &case.basis, &case.task, &split, keys).unwrap();
        assert_eq!((row.all, row.train), (model.evaluate(&case.task, &Hooks::none()).unwrap(), of_keys.train));
        assert_eq!((row.test, row.measures.as_ref()), (of_keys.test, Some(&of_keys)));
        assert_eq!(row.embedding, embedding(&model, &case.basis).unwrap());
        let sparse = sparsity(&model, &irreps).unwrap();
        let maps = [sparse.left, sparse.right, sparse.unembed].map(Option::unwrap);
        assert_eq!(row.theory.gini, maps.each_ref().map(|map| Some(map.gini)));
        assert_eq!(
            row.theory.inverse_participation_ratio,
            maps.each_ref().map(|map| Some(map.inverse_participation_ratio))
        );
        let of_rank_one = rank_one(&model, &group, &irreps).unwrap();
        assert_eq!((row.theory.rank_one, row.theory.shared), (of_rank_one.rank_one, of_rank_one.shared));
        assert_eq!(row.theory.alignment, phases(&model, &group, &irreps).unwrap().alignment);
        assert_eq!(row.theory.margin, margin(&model, &case.task).unwrap());
        let (left, right) = model.embeddings().unwrap();
        let weights = [left, right, model.readout().unembedding().unwrap()];
        let squares: f64 = weights.iter().flatten().map(|&w| f64::from(w).powi(2)).sum();
        near("sum of squares", [row.sum_of_squared_weights], [squares]);
        let of_irreps = representation(&model, &group, &irreps, &case.task, &split).unwrap();
        assert_eq!(row.logit_fve, of_irreps.logit_fve);
        for (i, (got, want)) in row.irreps.iter().zip(of_irreps.irreps).enumerate() {
            assert_eq!(
                got.losses.is_some(),
                key_irreps.iter().any(|&key| key == i),
                "the key irreps are those of the run's model"
            );
            // Both of them have losses where the irrep is a key irrep of this checkpoint too.
            let mut want = IrrepRow::from(want);
            want.losses = want.losses.filter(|_| got.losses.is_some()).or(got.losses);
            assert_eq!(*got, want, "irrep {i} at epoch {}", row.epoch);
        }
    }

    let first = [found.table(), found.theory_table()];
    let tables: Vec<_> = first.into_iter().chain(found.key_tables()).chain(found.irrep_tables()).collect();
    assert_eq!(tables.len(), 19);
    for table in &tables {
        assert!(table.rows.len() == 3 && table.rows.iter().all(|row| row.len() == table.columns.len()), "{table}");
    }
    assert!(tables[2].to_string().lines().nth(1).unwrap().ends_with("frequency 1"), "{}", tables[2]);
    let text: String = tables.iter().map(|table| format!("\n\n{table}")).collect();
    assert_eq!(found.to_string(), format!("Coordinates: {}{text}", found.coordinates));
    assert_eq!(serde_json::to_value(rows).unwrap()[2]["measures"]["keys"][0]["block"], keys[0].index());
}

#[test]
fn a_run_without_checkpoints_says_so() {
    let case = Case::dihedral(3);
    let directory = tempfile::tempdir().unwrap();
    write_run(directory.path(), &[]);
    let run = Run::open(directory.path()).unwrap();
    let irreps = IrrepBasis::new(&Dihedral::new(3).unwrap()).unwrap();
    let error = progress(&run, &case.basis, &irreps, &case.task).unwrap_err();
    assert_eq!(error.to_string(), "progress of a run needs checkpoints in its directory");
}
