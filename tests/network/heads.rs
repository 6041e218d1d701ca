//! What heads carry and what the loss needs of them, against a slow reading in f64 and on the published transformers.

use super::oracle::{self, Parameters};
use super::transformers::{RUNS, folder, open};
use irreplens::Error;
use irreplens::analysis::{Carried, HeadLosses, head_map, heads};
use irreplens::checkpoint::Run;
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::{Cyclic, Dihedral, Group};
use irreplens::model::{Interpretable, Network, Normalisation, Precomputed, Transformer};
use irreplens::task::Task;
use ndarray::Array2;
use std::collections::BTreeMap;

const PATTERN: &str = "blocks.0.attn.hook_pattern[2]";

/// A small transformer with biases, of two heads.
fn small() -> Transformer {
    Transformer { d_model: 8, heads: 2, d_head: 3, d_mlp: Some(10), ..Transformer::default() }
}

/// A network with numbers that are no multiples of each other, none of them zero.
fn filled(transformer: &Transformer, order: usize) -> Network {
    let mut network = Network::zeros(transformer.architecture(), order).unwrap();
    for (i, number) in network.parameters_mut().iter_mut().enumerate() {
        *number = 0.7 * ((i as f32 + 1.0) * 1.618).sin();
    }
    network
}

fn times(v: &[f64], matrix: &Array2<f64>) -> Vec<f64> {
    (0..matrix.ncols()).map(|j| v.iter().zip(matrix.column(j)).map(|(v, w)| v * w).sum()).collect()
}

fn plus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// The values of all steps at every pair, in f64.
fn all_values(network: &Network) -> Vec<BTreeMap<String, Vec<Vec<f64>>>> {
    let (n, numbers) = (network.order(), oracle::parameters(network));
    (0..n * n).map(|i| oracle::values(network.architecture(), n, &numbers, i / n, i % n)).collect()
}

/// What is changed in a pass.
#[derive(Default)]
struct Change {
    /// Patterns (key position, head) of these heads.
    frozen: Option<(Vec<f64>, Vec<usize>)>,
    off: Vec<usize>,
    /// Heads that only the neurons read.
    direct_off: Vec<usize>,
    stream_off: bool,
}

/// What a head adds to the stream at one pair, with the pattern given.
fn written(numbers: &Parameters, of: &BTreeMap<String, Vec<Vec<f64>>>, pattern: &[f64], head: usize) -> Vec<f64> {
    let (v, w) = (&of["blocks.0.attn.hook_v"], &numbers["blocks.0.attn.W_O"]);
    let mut out = vec![0.0; w.ncols()];
    for (j, row) in w.outer_iter().enumerate().skip(head * 3).take(3) {
        let z: f64 = (0..3).map(|p| pattern[p * 2 + head] * v[p][j]).sum();
        out.iter_mut().zip(row).for_each(|(out, w)| *out += z * w);
    }
    out
}

fn logits(numbers: &Parameters, of: &BTreeMap<String, Vec<Vec<f64>>>, change: &Change) -> Vec<f64> {
    let bias = |name: &str| numbers[name].row(0).to_vec();
    let mut pattern = of["blocks.0.attn.hook_pattern"][2].clone();
    if let Some((mean, heads)) = &change.frozen {
        let frozen = (0..6).filter(|c| heads.contains(&(c % 2)));
        frozen.for_each(|c| pattern[c] = mean[c]);
    }
    let writes: Vec<Vec<f64>> = (0..2).map(|h| written(numbers, of, &pattern, h)).collect();
    let mut mid = plus(&of["blocks.0.hook_resid_pre"][2], &bias("blocks.0.attn.b_O"));
    (0..2).filter(|h| !change.off.contains(h)).for_each(|h| mid = plus(&mid, &writes[h]));
    let pre = plus(&times(&mid, &numbers["blocks.0.mlp.W_in"]), &bias("blocks.0.mlp.b_in"));
    let post: Vec<f64> = pre.iter().map(|v| v.max(0.0)).collect();
    let mlp = plus(&times(&post, &numbers["blocks.0.mlp.W_out"]), &bias("blocks.0.mlp.b_out"));
    let mut stream = if change.stream_off { mlp } else { plus(&mid, &mlp) };
    for &h in &change.direct_off {
        stream.iter_mut().zip(&writes[h]).for_each(|(v, w)| *v -= w);
    }
    plus(&times(&stream, &numbers["unembed.W_U"]), &bias("unembed.b_U"))
}

#[test]
fn losses_are_those_of_a_slow_reading() {
    let (group, network) = (Dihedral::new(3).unwrap(), filled(&small(), 6));
    let (task, numbers, all) = (Task::new(&group), oracle::parameters(&network), all_values(&network));
    let found = &heads(&network, &CyclicSubgroupBasis::dihedral(&group), &task).unwrap()[0];
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    let loss = |change: &Change| {
        let of = |(i, values)| {
            let logits = logits(&numbers, values, change);
            logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[task.labels()[i] as usize]
        };
        all.iter().enumerate().map(of).sum::<f64>() / 36.0
    };
    let near = |what: &str, got: f64, change: &Change| {
        let want = loss(change);
        assert!((got - want).abs() < 2e-5 * want, "{what}: {got} against {want}");
    };
    let pattern = |i: usize| &all[i]["blocks.0.attn.hook_pattern"][2];
    let mean: Vec<f64> = (0..6).map(|c| (0..36).map(|i| pattern(i)[c]).sum::<f64>() / 36.0).collect();
    let none = Change::default;
    near("whole", found.whole.loss, &none());
    for heads in [vec![0], vec![1], vec![0, 1]] {
        let losses: HeadLosses = match heads[..] {
            [h] => found.heads[h].losses.unwrap(),
            _ => found.together.unwrap(),
        };
        near("frozen", losses.frozen.loss, &Change { frozen: Some((mean.clone(), heads.clone())), ..none() });
        near("off", losses.off.loss, &Change { off: heads.clone(), ..none() });
        near("direct", losses.direct_off.unwrap().loss, &Change { direct_off: heads, ..none() });
    }
    near("stream", found.stream_off.unwrap().loss, &Change { stream_off: true, ..none() });
}

#[test]
fn what_heads_write_is_split_by_element() {
    let (group, network) = (Dihedral::new(3).unwrap(), filled(&small(), 6));
    let (numbers, all) = (oracle::parameters(&network), all_values(&network));
    let found = &heads(&network, &CyclicSubgroupBasis::dihedral(&group), &Task::new(&group)).unwrap()[0];
    for h in 0..2 {
        let value = |x: usize, y: usize| {
            let of = &all[x * 6 + y];
            written(&numbers, of, &of["blocks.0.attn.hook_pattern"][2], h)
        };
        // Functions of x, and of y, by the differences that define them: half the mean square of f(x, y) - f(x', y').
        let mean = |f: &dyn Fn(usize) -> Vec<f64>| {
            let sum = (0..6).map(f).reduce(|a, b| plus(&a, &b)).unwrap();
            sum.into_iter().map(|v| v / 6.0).collect::<Vec<f64>>()
        };
        let of_x: Vec<_> = (0..6).map(|x| mean(&|y| value(x, y))).collect();
        let of_y: Vec<_> = (0..6).map(|y| mean(&|x| value(x, y))).collect();
        let every: Vec<_> = (0..36).map(|i| value(i / 6, i % 6)).collect();
        let spread = |rows: &[Vec<f64>]| {
            let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            let sum: f64 = rows.iter().map(|a| rows.iter().map(|b| square(a, b)).sum::<f64>()).sum();
            sum / (2 * rows.len() * rows.len()) as f64
        };
        let whole = spread(&every);
        let got = found.heads[h].written.unwrap();
        let want = [spread(&of_x) / whole, spread(&of_y) / whole];
        assert!((got.deviation / whole.sqrt() - 1.0).abs() < 1e-5);
        assert!((got.of_left.unwrap() - want[0]).abs() < 1e-5 && (got.of_right.unwrap() - want[1]).abs() < 1e-5);
        assert!((got.of_both.unwrap() - (1.0 - want[0] - want[1])).abs() < 1e-5);
    }
}

#[test]
fn maps_are_products_of_the_parameters() {
    let network = filled(&small(), 6);
    let numbers = oracle::parameters(&network);
    for (h, p) in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)] {
        let map = head_map(&network, PATTERN, h, p).unwrap();
        for t in 0..6 {
            let token = if p == 2 { 6 } else { t };
            let r = plus(&numbers["embed.W_E"].row(token).to_vec(), &numbers["pos_embed.W_pos"].row(p).to_vec());
            let v = plus(&times(&r, &numbers["blocks.0.attn.W_V"]), &numbers["blocks.0.attn.b_V"].row(0).to_vec());
            let out = (0..8).map(|j| (h * 3..h * 3 + 3).map(|k| v[k] * numbers["blocks.0.attn.W_O"][[k, j]]).sum());
            let want = times(&out.collect::<Vec<f64>>(), &numbers["blocks.0.mlp.W_in"]);
            for (k, want) in want.iter().enumerate() {
                assert!((f64::from(map[[t, k]]) - want).abs() < 1e-5, "{h}, {p}: {} against {want}", map[[t, k]]);
            }
        }
    }
    // Shares by block, from the entries of the basis in f64.
    let group = Dihedral::new(3).unwrap();
    let basis = IrrepBasis::new(&group).unwrap();
    let found = heads(&network, &basis, &Task::new(&group)).unwrap();
    let (map, matrix) = (head_map(&network, PATTERN, 1, 0).unwrap().mapv(f64::from), basis.matrix());
    let energy = matrix.mapv(f64::from).dot(&map).map_axis(ndarray::Axis(1), |row| row.dot(&row));
    let of = &found[0].heads[1].maps.as_ref().unwrap()[0];
    assert!((of.energy / map.mapv(|v| v * v).sum() - 1.0).abs() < 1e-5);
    for (block, share) in basis.blocks().iter().zip(of.shares.as_ref().unwrap()) {
        let want: f64 = block.rows.clone().map(|row| energy[row]).sum::<f64>() / energy.sum();
        assert!((share - want).abs() < 1e-5, "{}: {share} against {want}", block.name);
    }
}

#[test]
fn energies_of_patterns_are_those_of_a_dense_transform() {
    let (group, network) = (Cyclic::new(6).unwrap(), filled(&small(), 6));
    let basis = CyclicSubgroupBasis::cyclic(&group);
    let found = &heads(&network, &basis, &Task::new(&group)).unwrap()[0];
    let (all, matrix, rows) = (all_values(&network), basis.matrix().mapv(f64::from), basis.blocks());
    let check = |c: usize| {
        let pattern = Array2::from_shape_fn((6, 6), |(x, y)| all[x * 6 + y]["blocks.0.attn.hook_pattern"][2][c]);
        let energy = matrix.dot(&pattern).dot(&matrix.t()).mapv(|v| v * v);
        let sum = |xs: &std::ops::Range<usize>, ys: &std::ops::Range<usize>| {
            energy.slice(ndarray::s![xs.clone(), ys.clone()]).sum()
        };
        let of = &found.spectrum.by_block;
        for b in 1..rows.len() {
            let (constant, block) = (&rows[0].rows, &rows[b].rows);
            for (got, want) in [
                (of.linear_x[[c, b]], sum(block, constant)),
                (of.linear_y[[c, b]], sum(constant, block)),
                (of.product[[c, b]], sum(block, block)),
            ] {
                assert!((got - want).abs() < 1e-5 * energy.sum(), "{c}, {b}: {got} against {want}");
            }
        }
    };
    (0..6).for_each(check);
}

#[test]
fn what_cannot_be_had_is_said() {
    let needs = |found: Result<Array2<f32>, Error>| match found {
        Err(Error::Unsupported { needs, .. }) => needs,
        other => panic!("{other:?}"),
    };
    // Behind LayerNorm the neurons' inputs are no sum over heads.
    let normed = filled(&Transformer { normalisation: Normalisation::LayerNorm, ..small() }, 6);
    assert!(needs(head_map(&normed, PATTERN, 0, 0)).contains("without LayerNorm"));
    let bare = filled(&Transformer { d_mlp: None, ..small() }, 6);
    assert!(needs(head_map(&bare, PATTERN, 0, 0)).contains("a block with neurons"));
    assert!(needs(head_map(&bare, "blocks.0.attn.hook_z[2]", 0, 0)).contains("named as TransformerLens names it"));
    assert!(matches!(head_map(&bare, PATTERN, 2, 0), Err(Error::UnknownChannel { .. })));
    assert!(matches!(head_map(&bare, PATTERN, 0, 3), Err(Error::UnknownChannel { .. })));

    // In a second layer the first position has seen x alone, the others both.
    let deep = filled(&Transformer { layers: 2, ..small() }, 6);
    let second = "blocks.1.attn.hook_pattern[2]";
    let (numbers, n) = (oracle::parameters(&deep), 6);
    let map = head_map(&deep, second, 0, 0).unwrap();
    for t in 0..n {
        let v = &oracle::values(deep.architecture(), n, &numbers, t, 3)["blocks.1.attn.hook_v"][0];
        let out = (0..8).map(|j| (0..3).map(|k| v[k] * numbers["blocks.1.attn.W_O"][[k, j]]).sum());
        let want = times(&out.collect::<Vec<f64>>(), &numbers["blocks.1.mlp.W_in"]);
        assert!(want.iter().zip(map.row(t)).all(|(want, &got)| (f64::from(got) - want).abs() < 1e-4));
    }
    assert!(needs(head_map(&deep, second, 0, 1)).contains("has seen one element"));

    let group = Dihedral::new(3).unwrap();
    let (basis, task) = (CyclicSubgroupBasis::dihedral(&group), Task::new(&group));
    for (network, layers, missing) in [(&normed, 1, 2), (&bare, 1, 3), (&deep, 2, 1)] {
        let found = heads(network, &basis, &task).unwrap();
        assert_eq!(found.len(), layers);
        let last = found.last().unwrap();
        assert_eq!(last.notes.len(), missing, "{:?}", last.notes);
        assert!(last.heads.iter().all(|head| head.maps.is_none() && head.losses.is_some()));
        assert!(last.to_string().contains("the model does not allow to ask"));
    }
    // Recorded activations can be looked at, not changed.
    let network = filled(&small(), 6);
    let recorded = Precomputed::record(&network, &[PATTERN, network.neuron_site(), "logits"], network.neuron_site());
    let found = heads(&recorded.unwrap(), &basis, &task);
    let found = &found.unwrap_or_else(|error| panic!("{error}"));
    assert!(found.is_empty(), "a pattern from one position alone has no first position beside it");
}

/// Heads of published transformers: routing in a dihedral run; patterns that matter in a cyclic one and not in S5.
#[test]
fn heads_of_published_transformers() {
    let Some(folder) = folder("heads_of_published_transformers") else { return };
    for name in RUNS {
        let (run, group): (Run, Box<dyn Group>) = open(&folder, name);
        let (model, task) = (run.model().unwrap(), Task::new(&group));
        let basis = IrrepBasis::new(&group).unwrap();
        let found = &heads(&model, &basis, &task).unwrap()[0];
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        let carries: Vec<Carried> = found.heads.iter().map(|head| head.written.unwrap().carries()).collect();
        let frozen = found.together.unwrap().frozen.loss;
        match name {
            "D59_T_seed1" => {
                assert_eq!(carries, [Carried::Left, Carried::Left, Carried::Right, Carried::Right]);
                assert!(frozen < 2.0 * found.whole.loss, "{frozen}");
            }
            "C113_T_seed1" => {
                assert_eq!(carries, [Carried::Both; 4]);
                assert!((4.0..17.0).contains(&frozen), "{frozen}");
            }
            "S5_T_seed1" => assert!(frozen < 2.0 * found.whole.loss, "{frozen}"),
            _ => {}
        }
    }
}
