//! The notebook's whole analysis of D53, from files to results, and each of its stages.

#[path = "../tests/support/data.rs"]
mod data;

use criterion::{Criterion, criterion_group, criterion_main};
use irreplens::analysis::notebook::parity;
use irreplens::analysis::{
    Ablation, cluster_losses, embedding, hidden_centred, interpret, label_neurons, logit_directions, own_block_only,
};
use irreplens::checkpoint::Run;
use irreplens::fourier::CyclicSubgroupBasis;
use irreplens::group::GroupExt;
use irreplens::model::{Hooks, Interpretable, LOGITS};
use irreplens::task::Task;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

/// From files to every number of the golden file.
fn whole(directory: &Path) -> irreplens::Result<irreplens::analysis::Interpretation> {
    let run = Run::open(directory)?;
    let (group, model) = (run.group()?, run.model()?);
    let basis = CyclicSubgroupBasis::new(&group, group.element(1 % run.config.group_parameter));
    interpret(&model, &basis, &Task::new(&group))
}

fn stages(c: &mut Criterion) {
    let Some(folder) = data::folder("benches/interpret.rs") else { return };
    let directory = folder.join("notebook/D53");
    let run = Run::open(&directory).expect("the run can be read");
    let (group, model) = (run.group().expect("dihedral"), run.model().expect("its weights fit"));
    let basis = CyclicSubgroupBasis::new(&group, group.element(1));
    let task = Task::new(&group);
    let spectrum = model.spectrum(model.neuron_site(), &basis).expect("orders agree");
    let neurons = label_neurons(&spectrum.by_block, &basis);
    let clusters = neurons.clusters();
    let keys: Vec<_> = clusters.keys().copied().collect();

    let mut c = c.benchmark_group("D53");
    c.sample_size(30).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    c.bench_function("whole", |b| b.iter(|| whole(black_box(&directory))));
    c.bench_function("load", |b| b.iter(|| Run::open(black_box(&directory)).and_then(|run| run.model())));
    c.bench_function("task_and_basis", |b| {
        b.iter(|| (Task::new(black_box(&group)), CyclicSubgroupBasis::new(&group, group.element(1))));
    });
    c.bench_function("interpret", |b| b.iter(|| interpret(&model, &basis, black_box(&task))));
    c.bench_function("evaluate", |b| b.iter(|| model.evaluate(black_box(&task), &Hooks::none())));
    c.bench_function("embedding", |b| b.iter(|| embedding(black_box(&model), &basis)));
    c.bench_function("spectrum_of_neurons", |b| b.iter(|| model.spectrum(model.neuron_site(), black_box(&basis))));
    c.bench_function("block_energies_of_neurons", |b| {
        b.iter(|| model.block_energies(model.neuron_site(), black_box(&basis)))
    });
    c.bench_function("spectrum_of_logits", |b| b.iter(|| model.spectrum(LOGITS, black_box(&basis))));
    c.bench_function("label_neurons", |b| b.iter(|| label_neurons(black_box(&spectrum.by_block), &basis)));
    c.bench_function("logit_directions", |b| b.iter(|| logit_directions(&model, &basis, black_box(&task), &keys)));
    c.bench_function("cluster_losses", |b| {
        b.iter(|| cluster_losses(&model, black_box(&task), &clusters, Ablation::Drop));
    });
    c.bench_function("hidden_centred", |b| {
        b.iter(|| hidden_centred(&model, black_box(&task), &spectrum.by_block.mean))
    });
    c.bench_function("own_block_only", |b| b.iter(|| own_block_only(&model, &basis, black_box(&task), &neurons)));
    c.bench_function("parity", |b| b.iter(|| parity(&model, &basis, black_box(&task), &keys)));
    c.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
