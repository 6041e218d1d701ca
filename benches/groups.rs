//! All products of S5 by rank, by hash and by table, and the classes of subgroups of S6 and S7: which to use where products
//! are dear. Names of groups of order 720 and of others.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irreplens::group::{
    Composition, Group, GroupExt, GroupName, PermutationGroup, Symmetric, identify, isomorphism, subgroup_classes,
    subgroup_names,
};
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

/// Tables in another order of the elements: row x at 7 x + 3 modulo the order, which 7 does not divide. The permutations
/// generate M10, which has no name.
fn names(c: &mut Criterion) {
    let words =
        ["S6", "A6xC2", "PGL(2,9)", "SL(2,9)", "perm:(1 9 6 7 5)(2 10 3 8 4),(1 10 7 8)(2 9 4 6)", "C2^10", "D1000"];
    let mut group = c.benchmark_group("identify");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for word in words {
        let name: GroupName = word.parse().expect("a name");
        let table = name.build().expect("a group").cayley_table();
        let order: Vec<usize> = (0..table.order()).map(|x| (7 * x + 3) % table.order()).collect();
        let other = table.relabelled(&order).expect("a permutation");
        group.bench_function(word, |b| b.iter(|| identify(black_box(&other)).map(|found| found.label())));
        group.bench_function(format!("isomorphism, {word}"), |b| b.iter(|| isomorphism(black_box(&table), &other)));
    }
    for n in [5, 6] {
        let symmetric = Symmetric::new(n).expect("n <= 7");
        let classes = subgroup_classes(&symmetric, 1455).expect("as many subgroups");
        group
            .bench_function(format!("subgroups, S{n}"), |b| b.iter(|| subgroup_names(black_box(&symmetric), &classes)));
    }
    group.finish();
}

criterion_group!(benches, products, subgroups, names);
criterion_main!(benches);
