//! The code blocks of `docs/notebook.md`, which `tests/house/pages.rs` holds to this file: a test for each cell of the notebook.

use irreplens::analysis;
use irreplens::checkpoint::{Run, Tensor, Tensors, write_safetensors};
use irreplens::fourier::{self, CyclicSubgroupBasis, FourierBasis};
use irreplens::group::Dihedral;
use irreplens::model::{Hooks, Interpretable, Network};
use irreplens::task::Task;
use ndarray::{Array2, s};

type Outcome = Result<(), Box<dyn std::error::Error>>;

struct Tiny {
    net: Network,
    basis: CyclicSubgroupBasis,
    task: Task,
    embed: Array2<f32>,
    unembed: Array2<f32>,
}

/// Entries of the embedding.
fn wave(x: usize, k: usize) -> f32 {
    (std::f32::consts::TAU * ((2 * (x % 5)) as f32 / 5.0 + k as f32 / 7.0)).cos()
}

fn tiny() -> irreplens::Result<Tiny> {
    let group = Dihedral::new(5)?;
    let embed = Array2::from_shape_fn((10, 7), |(x, k)| wave(x, k));
    let unembed = Array2::from_shape_fn((7, 10), |(k, z)| wave(z, 2 * k));
    let net = Network::summed(embed.clone(), embed.clone(), unembed.clone())?;
    let (basis, task) = (CyclicSubgroupBasis::dihedral(&group), Task::new(&group));
    Ok(Tiny { net, basis, task, embed, unembed })
}

#[test]
fn cells_1_to_3() -> Outcome {
    let Tiny { net, basis, .. } = tiny()?;
    let group = Dihedral::new(5)?;
    irreplens::laws::fourier::check_on(&basis, &group)?;
    irreplens::laws::model::check(&net)?;
    Ok(())
}

#[test]
fn cell_4() -> Outcome {
    let Tiny { embed, unembed, .. } = tiny()?;
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("cfg.json"),
        r#"{"model": "BetterOneLayerMLP", "group": "DihedralGroup",
        "group_parameter": 5, "seed": 1, "frac_train": 0.4, "layers": {"embed_dim": 7}, "lr": 1e-3, "weight_decay": 1,
        "num_epochs": 1}"#,
    )?;
    let tensor = |a: &Array2<f32>| Tensor::F32(a.clone().into_dyn());
    let tensors = [("W_x", tensor(&embed)), ("W_y", tensor(&embed)), ("W_U", tensor(&unembed))];
    let tensors: Tensors = tensors.into_iter().map(|(name, t)| (name.to_owned(), t)).collect();
    write_safetensors(folder.path().join("model.safetensors"), &tensors, &Default::default())?;
    let directory = folder.path();
    let run = Run::open(directory)?;
    let (group, net) = (run.group()?, run.model()?);
    let task = Task::new(&group);
    let cache = net.run_with_cache(&task.pairs(0..100), &["hidden", "logits"])?;
    assert_eq!(cache.get("hidden").unwrap().dim(), (100, 7));
    assert_eq!(cache.get("logits").unwrap().dim(), (100, 10));
    Ok(())
}

#[test]
fn cell_5() -> Outcome {
    let Tiny { basis, .. } = tiny()?;
    let f = basis.matrix();
    assert_eq!(basis.row_names(), ["const", "cos 1", "sin 1", "cos 2", "sin 2"]);
    assert!((f.dot(&f.t()) - Array2::<f64>::eye(5)).iter().all(|v| v.abs() < 1e-9)); // orthonormal
    Ok(())
}

#[test]
fn cell_6() -> Outcome {
    let Tiny { net, basis, .. } = tiny()?;
    let spectra = analysis::embedding(&net, &basis)?;
    let left = spectra.embed_left.unwrap();
    assert!((left[3] + left[4] - left.sum()).abs() < 1e-4); // all in cos 2 and sin 2
    assert_eq!(spectra.embed_right.unwrap(), left);
    Ok(())
}

#[test]
fn cell_7() -> Outcome {
    let Tiny { net, basis, unembed, .. } = tiny()?;
    let spectra = analysis::embedding(&net, &basis)?;
    let sum = analysis::notebook::component_norms_of_sum(&basis, unembed.t())?;
    let apart = spectra.unembed.unwrap();
    assert!((sum[3] / apart[3] - 2.0).abs() < 1e-4); // (2 a)^2 against a^2 + a^2
    Ok(())
}

#[test]
fn cell_8() -> Outcome {
    let Tiny { net, .. } = tiny()?;
    let hidden = net.neuron_columns("hidden", 0..3)?;
    assert_eq!(hidden.dim(), (10, 10, 3));
    assert!((hidden[[7, 1, 0]] - (wave(7, 0) + wave(1, 0)).max(0.0)).abs() < 1e-6);
    assert_eq!(net.neuron_columns("logits", 0..3)?.dim(), (10, 10, 3));
    Ok(())
}

#[test]
fn cell_9() -> Outcome {
    let Tiny { net, basis, .. } = tiny()?;
    let hidden = net.neuron_columns("hidden", 0..7)?;
    let regions = fourier::untile_2d(&basis, hidden.view())?;
    assert_eq!(regions.dim(), (2, 2, 5, 5, 7));
    assert_eq!(fourier::tile_2d(&basis, regions.view())?, hidden);
    let terms = fourier::forward_2d(&basis, hidden.view())?;
    let neuron = analysis::neuron_spectrum(&net, &basis, "hidden", 4)?;
    assert!((&neuron - &terms.slice(s![.., .., .., .., 4])).iter().all(|d| d.abs() < 1e-5)); // region (0, 1): neuron[[0, 1, .., ..]]
    Ok(())
}

#[test]
fn cell_10() -> Outcome {
    let Tiny { net, basis, .. } = tiny()?;
    let spectrum = net.spectrum("hidden", &basis)?;
    assert_eq!(spectrum.mean_square_centred().dim(), (5, 5));
    assert!(spectrum.mean_square[[0, 0]] > 0.1 && spectrum.mean_square_centred()[[0, 0]] < 1e-9); // regions are alike
    Ok(())
}

#[test]
fn cell_11() -> Outcome {
    let Tiny { net, basis, .. } = tiny()?;
    let found = analysis::neurons(&net, &basis)?;
    assert_eq!(found.clusters()[&2], [0, 1, 2, 3, 4, 5, 6]);
    assert!(found.neurons.iter().all(|n| n.fraction_explained > Some(0.9) && n.runner_up < n.fraction_explained));
    let published = analysis::notebook::neurons(&net, &basis, analysis::notebook::Labels::AsPublished)?;
    assert_eq!(published.clusters().into_keys().collect::<Vec<_>>(), [1]); // the wrong one
    Ok(())
}

#[test]
fn the_todo() -> Outcome {
    let Tiny { net, basis, task, .. } = tiny()?;
    let found = analysis::neurons(&net, &basis)?;
    let own = analysis::own_block_only(&net, &basis, &task, &found)?.loss;
    let own_by_hand =
        analysis::keep_terms(&net, &basis, &task, "hidden", &|_, i, j| i != 1 && i != 2 && j != 1 && j != 2)?;
    assert!((own - own_by_hand.loss).abs() < 1e-5);
    let dropped = analysis::cluster_losses(&net, &task, &found.clusters(), analysis::Ablation::Drop)?;
    assert!((dropped[&2].loss - 10f64.ln()).abs() < 1e-5);
    Ok(())
}

#[test]
fn cell_12() -> Outcome {
    let Tiny { net, basis, .. } = tiny()?;
    let (hidden, logits) = net.neuron_and_logit_spectra(&basis)?;
    assert_eq!(logits.mean_square.dim(), (5, 5));
    let shares = [logits.split, hidden.split_centred()].map(|split| split.shares().unwrap());
    assert!(shares[0].within_block > shares[1].within_block);
    Ok(())
}

#[test]
fn cell_13() -> Outcome {
    let Tiny { net, basis, .. } = tiny()?;
    let found = analysis::neurons(&net, &basis)?;
    let norms = analysis::notebook::unembedding_of(&net, &basis, &found.clusters()[&2])?;
    assert!(norms[3] > 1.0 && norms[1] < 1e-9); // cos 2, and no cos 1
    Ok(())
}

#[test]
fn cell_17() -> Outcome {
    let Tiny { net, basis, task, .. } = tiny()?;
    let found = analysis::logit_directions(&net, &basis, &task, &[basis.block_id(2)?])?;
    assert_eq!(found.energy.dim(), (1, 2, 2, 2)); // (block, sector of x, sector of y, output sector)
    let share = found.product_share.unwrap(); // (block, sector of x, sector of y, which of x + y and x - y)
    let share = share.mapv(|share| share.unwrap()); // `None` where there is no energy
    assert!(share[[0, 1, 0, 0]] > 0.5 && (share[[0, 1, 0, 0]] - share[[0, 0, 0, 0]]).abs() < 1e-5);

    let logits = net.neuron_columns("logits", 0..10)?; // the heat map: along cos 2 of the rotations, then in x and y
    let along = fourier::forward(&basis, logits.to_shape((100, 10))?.t())?.slice_move(s![0, 3..4, ..]);
    let map = fourier::forward_2d(&basis, along.to_shape((10, 10, 1))?.view())?;
    let energy: f32 = map.slice(s![1, 0, .., .., 0]).iter().map(|c| c * c).sum();
    assert!(f64::from(energy) < found.energy[[0, 1, 0, 0]]); // cos 2 is one of the block's two rows
    Ok(())
}

#[test]
fn cell_15() -> Outcome {
    let Tiny { net, basis, task, .. } = tiny()?;
    let hooks = analysis::notebook::parity_hooks(&basis, &task, &[basis.block_id(2)?])?;
    let logits = net.run_with_hooks(&task.pairs(0..100), &hooks, &["logits"])?.take("logits")?;
    let before = net.forward(&task.pairs(0..100))?;
    // x = y = r^0: the product is a rotation, and all that the model says of reflections is frequency 2.
    assert!(logits.slice(s![0, 5..]).iter().all(|l| l.abs() < 1e-4));
    assert!((&logits.slice(s![0, ..5]) - &before.slice(s![0, ..5])).iter().all(|d| d.abs() < 1e-4));
    Ok(())
}

#[test]
fn cell_16() -> Outcome {
    let Tiny { net, basis, task, .. } = tiny()?;
    let baseline = net.evaluate(&task, &Hooks::none())?;
    let ablated = analysis::notebook::parity(&net, &basis, &task, &[basis.block_id(2)?])?;
    assert!(ablated.loss != baseline.loss && ablated.loss.is_finite());
    assert_eq!(ablated, net.evaluate(&task, &analysis::notebook::parity_hooks(&basis, &task, &[basis.block_id(2)?])?)?);
    Ok(())
}

#[test]
fn all_cells() -> Outcome {
    let Tiny { net, basis, task, .. } = tiny()?;
    let found = analysis::interpret(&net, &basis, &task)?;
    assert_eq!(found.key_blocks().collect::<Vec<_>>(), [2]);
    assert_eq!(found.published.clusters[&1], 7);
    assert!(found.to_string().contains("every neuron's mean removed"));
    Ok(())
}
