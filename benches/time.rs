//! How long the workloads take, by criterion: `cargo bench -p redial --bench time`.
#![allow(clippy::expect_used, clippy::arithmetic_side_effects, reason = "a failure ends the run")]

mod workloads;

use criterion::{BenchmarkId, Criterion, Throughput};

use workloads::floor::Floor;
use workloads::{Bare, Received, Reconnect, Resubscribe, link};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    received(&mut criterion);
    reconnect(&mut criterion);
    resubscribe(&mut criterion);
    criterion.final_summary();
}

fn received(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("received");
    group.throughput(Throughput::Elements(BATCH));
    let mut link = Received::new(link());
    group.bench_function("link", |bencher| bencher.iter(|| link.run(BATCH)));
    let mut floor = Received::new(Floor::new());
    group.bench_function("floor", |bencher| bencher.iter(|| floor.run(BATCH)));
}

fn reconnect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reconnect");
    group.throughput(Throughput::Elements(BATCH * Reconnect::<Floor>::EVENTS));
    let mut link = Reconnect::new(link());
    group.bench_function("link", |bencher| bencher.iter(|| link.run(BATCH)));
    let mut bare = Reconnect::new(Bare::new());
    group.bench_function("lifecycle", |bencher| bencher.iter(|| bare.run(BATCH)));
    let mut floor = Reconnect::new(Floor::new());
    group.bench_function("floor", |bencher| bencher.iter(|| floor.run(BATCH)));
}

fn resubscribe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resubscribe");
    group.sample_size(10);
    for keys in [100, 10_000, 1_000_000] {
        group.throughput(Throughput::Elements(u64::from(keys)));
        let mut links = Resubscribe::new(keys);
        group.bench_function(BenchmarkId::from_parameter(keys), |bencher| {
            bencher.iter(|| links.run(1));
        });
    }
}

/// Operations per iteration.
const BATCH: u64 = 1_000;
