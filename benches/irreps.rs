//! Irreps of groups of growing order: characters, matrices of all irreps, the irrep basis, and a model measured in it.
//!
//! `cargo bench --bench irreps`; what was measured stands in `docs/performance.md`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use irreplens::analysis::representation;
use irreplens::fourier::IrrepBasis;
use irreplens::group::{
    Alternating, Cyclic, Dicyclic, Dihedral, DirectProduct, Group, GroupExt, SemidirectProduct, Symmetric,
};
use irreplens::irrep::{CharacterTable, irreps, symmetric};
use irreplens::model::Network;
use irreplens::task::{Split, Task};
use ndarray::Array2;

/// As tables: what is timed is the algorithms, not each group's product.
fn groups() -> Vec<(String, Box<dyn Group>)> {
    let mut groups: Vec<Box<dyn Group>> = Vec::new();
    for n in [50, 100, 200, 400] {
        groups.push(Box::new(Cyclic::new(n).unwrap()));
    }
    for n in [50, 100, 200, 400] {
        groups.push(Box::new(Dihedral::new(n).unwrap()));
    }
    groups.push(Box::new(Dicyclic::new(50).unwrap()));
    groups.push(Box::new(SemidirectProduct::affine(13, 12).unwrap()));
    groups.push(Box::new(Alternating::new(6).unwrap()));
    for n in 4..=6 {
        groups.push(Box::new(Symmetric::new(n).unwrap()));
    }
    groups
        .into_iter()
        .map(|group| {
            let table: Box<dyn Group> = Box::new(group.cayley_table());
            (format!("{} (order {})", group.name(), group.order()), table)
        })
        .collect()
}

fn of_groups(criterion: &mut Criterion) {
    for (name, group) in groups() {
        let mut bench = criterion.benchmark_group(&name);
        bench.sample_size(10);
        bench.bench_function("character table", |b| b.iter(|| CharacterTable::new(&group).unwrap()));
        let found = irreps(&group).unwrap();
        bench.bench_function("matrices of all irreps", |b| {
            b.iter(|| found.iter().map(|irrep| irrep.matrices(&group, 0).unwrap().dim()).sum::<usize>());
        });
        bench.bench_function("irrep basis", |b| b.iter(|| IrrepBasis::from_irreps(&group, found.clone()).unwrap()));
        bench.finish();
    }
}

fn large(criterion: &mut Criterion) {
    let cyclic = |n| Cyclic::new(n).unwrap();
    let tables: Vec<Box<dyn Group>> = vec![
        Box::new(cyclic(1000)),
        Box::new(cyclic(2000)),
        Box::new(DirectProduct::new(cyclic(30), cyclic(30)).unwrap()),
        Box::new(Dihedral::new(1000).unwrap()),
        Box::new(DirectProduct::new(Dihedral::new(20).unwrap(), Dihedral::new(20).unwrap()).unwrap()),
    ];
    let mut bench = criterion.benchmark_group("character tables of many classes");
    bench.sample_size(10);
    for group in tables {
        let table = group.cayley_table();
        bench.bench_function(group.name(), |b| b.iter(|| CharacterTable::new(&table).unwrap()));
    }
    bench.finish();
    let mut bench = criterion.benchmark_group("large irreps");
    bench.sample_size(10);
    for (name, group) in
        [("A7", Alternating::new(7).unwrap().cayley_table()), ("S7", Symmetric::new(7).unwrap().cayley_table())]
    {
        let found = irreps(&group).unwrap();
        bench.bench_function(format!("matrices of {name}"), |b| {
            b.iter(|| found.iter().map(|irrep| irrep.matrices(&group, 0).unwrap().dim()).sum::<usize>());
        });
        bench.bench_function(format!("ranges of {name}"), |b| {
            b.iter(|| found.iter().map(|irrep| irrep.range(&group).unwrap().nrows()).sum::<usize>());
        });
    }
    bench.finish();
}

fn young(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("Young's orthogonal form");
    bench.sample_size(10);
    for n in 4..=7 {
        let group = Symmetric::new(n).unwrap();
        bench.bench_with_input(BenchmarkId::from_parameter(format!("S{n}")), &group, |b, group| {
            b.iter(|| symmetric(group));
        });
    }
    bench.finish();
}

fn measures(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("representation measures, 128 neurons");
    bench.sample_size(10);
    for n in [4, 5] {
        let group = Symmetric::new(n).unwrap().cayley_table();
        let order = group.order();
        let wave =
            |rows, columns| Array2::from_shape_fn((rows, columns), |(i, j)| ((3 * i + 5 * j * j + i * j) as f32).sin());
        let model = Network::summed(wave(order, 128), wave(order, 128), wave(128, order)).unwrap();
        let (basis, task) = (IrrepBasis::new(&group).unwrap(), Task::new(&group));
        let split = Split::random(order, 0.4, 0).unwrap();
        bench.bench_function(BenchmarkId::from_parameter(format!("S{n}")), |b| {
            b.iter(|| representation(&model, &group, &basis, &task, &split).unwrap());
        });
    }
    bench.finish();
}

criterion_group!(benches, of_groups, large, young, measures);
criterion_main!(benches);
