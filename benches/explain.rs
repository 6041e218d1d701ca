//! Explanations and certificates of published networks, beside running every pair in `f64`.

#[path = "../tests/support/data.rs"]
mod data;

use criterion::{Criterion, criterion_group, criterion_main};
use irreplens::analysis::{ProvenBy, certify, explain};
use irreplens::checkpoint::Run;
use irreplens::fourier::IrrepBasis;
use irreplens::task::Task;
use std::hint::black_box;
use std::time::Duration;

fn published(c: &mut Criterion) {
    let Some(folder) = data::folder("benches/explain.rs") else { return };
    for (name, order) in [
        ("notebook/D53", None),
        ("published/C113_MLP_seed1", None),
        ("published/S5_MLP_seed2", Some("orders/S5.json")),
        ("published/S6_MLP_seed1", Some("orders/S6.json")),
    ] {
        let run = Run::open(folder.join(name)).expect("the run can be read");
        let order = order.map(|order| folder.join(order));
        let (group, permutations) = run.group_in_order(order.as_deref()).expect("the order is there");
        let irreps = run.irreps(&group, permutations.as_ref()).expect("irreps in closed form");
        let basis = IrrepBasis::from_irreps(&group, irreps).expect("all irreps");
        let (network, task) = (run.network().expect("its weights fit"), Task::new(&group));
        let explanation = explain(&network, &group, &basis).expect("one hidden layer");

        let mut c = c.benchmark_group(name.split('/').next_back().unwrap_or(name));
        c.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        c.bench_function("explain", |b| b.iter(|| explain(black_box(&network), &group, &basis)));
        for (what, by) in [
            ("by_explanation", ProvenBy::Explanation),
            ("by_cosets", ProvenBy::Cosets),
            ("brute_force", ProvenBy::BruteForce),
        ] {
            c.bench_function(what, |b| b.iter(|| certify(black_box(&network), &explanation, &task, by)));
        }
        c.finish();
    }
}

criterion_group!(benches, published);
criterion_main!(benches);
