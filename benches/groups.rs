//! All products of S5 by rank, by hash and by table, and the classes of subgroups of S6 and S7: which to use where products
//! are dear.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irreplens::group::{Composition, Group, GroupExt, PermutationGroup, Symmetric, subgroup_classes};
use std::hint::black_box;
use std::time::Duration;

fn products(c: &mut Criterion) {
    let s5 = Symmetric::new(5).expect("n <= 7");
    let lists = s5.elements().map(|x| s5.permutation(x).to_vec()).collect();
    let hashed = PermutationGroup::from_elements(lists, Composition::ApplyLeftFirst).expect("all permutations");
    let table = s5.cayley_table();
    let mut group = c.benchmark_group("products_s5");
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    group.throughput(Throughput::Elements((s5.order() * s5.order()) as u64));
    let kinds: [(&str, &dyn Group); 3] = [("rank", &s5), ("hash", &hashed), ("table", &table)];
    for (kind, g) in kinds {
        group.bench_function(kind, |b| {
            b.iter(|| {
                for x in g.elements() {
                    for y in g.elements() {
                        black_box(g.compose(black_box(x), black_box(y)));
                    }
                }
            });
        });
    }
    group.finish();
}

fn subgroups(c: &mut Criterion) {
    let s6 = Symmetric::new(6).expect("n <= 7");
    let table = s6.cayley_table();
    let mut group = c.benchmark_group("subgroup_classes");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group
        .bench_function("rank, S6", |b| b.iter(|| subgroup_classes(black_box(&s6), 1455).map(|classes| classes.len())));
    group.bench_function("table, S6", |b| {
        b.iter(|| subgroup_classes(black_box(&table), 1455).map(|classes| classes.len()))
    });
    let s7 = Symmetric::new(7).expect("n <= 7").cayley_table();
    group.bench_function("table, S7", |b| b.iter(|| subgroup_classes(black_box(&s7), 11_300).map(|found| found.len())));
    group.finish();
}

criterion_group!(benches, products, subgroups);
criterion_main!(benches);
