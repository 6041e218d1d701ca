//! Weights of your own: `cargo run --release --example 04_your_own_checkpoint`.
//!
//! A net trained elsewhere, with names and shapes that this library has not seen: here a PyTorch module with
//! `nn.Embedding(n, e)`, `nn.Linear(2 e, d)` on both embeddings, ReLU, `nn.Linear(d, n, bias=False)`, saved by
//!
//! ```python
//! torch.save(model.state_dict(), "model.pt")                               # or
//! safetensors.torch.save_file(model.state_dict(), "model.safetensors")
//! ```
//!
//! Two ways in: read the weights and put them in a model of the library, or read activations recorded anywhere. Both give
//! the same findings, and that is tested. The example writes the files itself, for a net made by hand on the cyclic group.
//!
//! The page that goes with it: `docs/adding-a-model.md`. Next: `05_your_own_group.rs`.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use irreplens::analysis::{Interpretation, interpret};
use irreplens::checkpoint::{Tensor, Tensors, matrix, read_precomputed, read_tensors, vector, write_safetensors};
use irreplens::fourier::CyclicSubgroupBasis;
use irreplens::group::Cyclic;
use irreplens::model::{Interpretable, Network};
use irreplens::task::Task;
use ndarray::{Array1, Array2, s};
use std::f32::consts::TAU;
use std::path::Path;

/// The net made by hand: eight neurons for each frequency, relu(cos(w x + phase) + cos(w y + phase)).
fn state_dict(n: usize, frequencies: &[usize]) -> Tensors {
    let (e, d) = (2 * frequencies.len(), 8 * frequencies.len());
    let angle = |t: usize, f: usize| TAU * (frequencies[f] * t) as f32 / n as f32;
    let phase = |k: usize| TAU * (k % 8) as f32 / 8.0;
    let embed = |(t, i): (usize, usize)| if i % 2 == 0 { angle(t, i / 2).cos() } else { angle(t, i / 2).sin() };
    let linear = |(k, i): (usize, usize)| match i % e {
        i if i / 2 != k / 8 => 0.0,
        i if i % 2 == 0 => phase(k).cos(),
        _ => -phase(k).sin(),
    };
    let unembed = |(z, k): (usize, usize)| 10.0 * (angle(z, k / 8) + 2.0 * phase(k)).cos();
    Tensors::from([
        ("embed.weight".into(), Tensor::F32(Array2::from_shape_fn((n, e), embed).into_dyn())),
        ("linear.weight".into(), Tensor::F32(Array2::from_shape_fn((d, 2 * e), linear).into_dyn())),
        ("linear.bias".into(), Tensor::F32(Array1::from_elem(d, 0.1).into_dyn())),
        ("unembed.weight".into(), Tensor::F32(Array2::from_shape_fn((n, d), unembed).into_dyn())),
    ])
}

/// First way: the weights, in a model of the library.
///
/// PyTorch's linear layers are (out, in). The first layer is linear in the two embeddings, so it is a map of x plus a map of
/// y; the bias goes with either.
///
/// # Errors
/// A file that cannot be read, or a tensor that is not there or has another shape, by name.
pub fn read(path: &Path) -> irreplens::Result<Network> {
    let tensors = read_tensors(path)?; // .pt or .safetensors
    let embed = matrix(path, &tensors, &["embed.weight"])?;
    let linear = matrix(path, &tensors, &["linear.weight"])?;
    let bias = vector(path, &tensors, &["linear.bias"])?;
    let unembed = matrix(path, &tensors, &["unembed.weight"])?;
    let e = embed.ncols();
    let left = embed.dot(&linear.slice(s![.., ..e]).t()) + &bias;
    let right = embed.dot(&linear.slice(s![.., e..]).t());
    Network::summed(left, right, unembed.reversed_axes())
}

/// The export for the second way: activations at all pairs, row-major, which any program can write.
fn record(net: &Network, task: &Task, path: &Path) -> irreplens::Result<()> {
    let n = net.order();
    let mut cache = net.run_with_cache(&task.pairs(0..n * n), &["hidden", "logits"])?;
    let unembed = net.readout().unembedding().expect("this net has one").to_owned();
    let arrays = [("hidden", cache.take("hidden")?), ("logits", cache.take("logits")?), ("unembed", unembed)];
    let tensor = |a: Array2<f32>| Tensor::F32(a.as_standard_layout().into_owned().into_dyn());
    let tensors = arrays.into_iter().map(|(name, array)| (name.to_owned(), tensor(array))).collect();
    write_safetensors(path, &tensors, &Default::default())
}

/// Writes a checkpoint into `folder`, reads it in both ways and explains both.
///
/// # Errors
/// Those of writing, of reading and of the analysis.
pub fn run(folder: &Path, n: usize, frequencies: &[usize]) -> irreplens::Result<[Interpretation; 2]> {
    let (weights, activations) = (folder.join("model.safetensors"), folder.join("activations.safetensors"));
    write_safetensors(&weights, &state_dict(n, frequencies), &Default::default())?;

    let group = Cyclic::new(n)?;
    let (basis, task) = (CyclicSubgroupBasis::cyclic(&group), Task::new(&group));
    let net = read(&weights)?;
    record(&net, &task, &activations)?;
    let recorded = read_precomputed(&activations, "hidden")?;
    Ok([interpret(&net, &basis, &task)?, interpret(&recorded, &basis, &task)?])
}

fn main() -> Result<(), print::Failure> {
    let folder = tempfile::tempdir()?;
    let [of_weights, of_activations] = run(folder.path(), 23, &[2, 5, 9])?;
    println!("Read as weights: loss {:.2e}, accuracy {:.4}", of_weights.baseline.loss, of_weights.baseline.accuracy);
    println!("{}\n", of_weights.neurons);
    println!(
        "Read as activations: loss {:.2e}, accuracy {:.4}",
        of_activations.baseline.loss, of_activations.baseline.accuracy
    );
    println!("{}\n", of_activations.neurons);
    println!("Loss without the neurons of one frequency, both ways");
    for (k, evaluation) in of_weights.without_cluster.iter().flatten() {
        let other = of_activations.without_cluster.as_ref().map_or(f64::NAN, |losses| losses[k].loss);
        println!("   frequency {k}: {:.4}  {other:.4}", evaluation.loss);
    }
    Ok(())
}
