//! Small networks of one shape side by side, one in each lane of a vector: losses and gradients of them all at once.
//!
//! A network of a few thousand multiplications takes longer to set its products up than to compute them. Here every number is
//! a vector of `L`, one of each network, and a product is a loop over such vectors. A lane's numbers depend on nothing in the
//! others, nor on how many there are: a network has the same bits alone and among fifteen more.

mod arithmetic;
mod layout;

use super::Network;
use super::activation::Activation;
use super::matrices::elements;
use super::plan::{Input, Node, Small};
use crate::linalg::{Aligned, vectorised};
use crate::model::loss::loss_gradient_by_row;
use crate::model::{Evaluation, Interpretable};
use crate::task::Task;
use arithmetic::{
    Place, Source, add_row, back_step, keep, multiply_onto, multiply_transposed_onto, step, transpose, where_positive,
};
use layout::{BLOCK, Layout};
use std::ops::Range;

/// Networks side by side, at most.
pub(crate) const LANES: usize = 16;

/// Multiplications of a forward pass over all pairs up to which a network is small: beyond them, one alone is faster by matrix
/// products of its own than in one lane of sixteen.
const SMALL: usize = 1 << 13;

/// Networks side by side, and room for a pass over their pairs.
pub(crate) struct Lanes<const L: usize> {
    layout: Layout,
    /// The parameters, then the matrices made of them; gradients in the same places.
    tables: Aligned,
    of_tables: Aligned,
    /// Nodes of a block of pairs; gradients in the same places.
    nodes: Aligned,
    of_nodes: Aligned,
    /// The logits of a block, class by class.
    by_class: Aligned,
    /// Loss and hits of each network.
    sums: [(f64, usize); L],
}

/// A set of pairs of each network, as many in each.
pub(crate) struct LanePairs<const L: usize> {
    /// All pairs that some network has, in order.
    pairs: Vec<[u32; 2]>,
    /// The label of every pair, once a lane.
    labels: Vec<u32>,
    /// All bits where a network has the pair, none where it has not.
    live: Vec<[u32; L]>,
    /// Whether all networks have all of them.
    is_shared: bool,
    /// Pairs of one network.
    count: usize,
}

impl<const L: usize> LanePairs<L> {
    /// The pairs of every network, row-major indices x n + y, as many in each.
    pub fn new(task: &Task, sets: &[&[usize]]) -> Self {
        assert!(sets.len() <= L, "a lane each");
        let n = task.order();
        let mut of_pair = vec![[0u32; L]; n * n];
        // Lanes without a network do as the first.
        for (lane, set) in sets.iter().copied().chain(std::iter::repeat(sets[0])).take(L).enumerate() {
            set.iter().for_each(|&pair| of_pair[pair][lane] = u32::MAX);
        }
        let some = of_pair.iter().enumerate().filter(|(_, live)| live.iter().any(|&live| live != 0));
        let (indices, live): (Vec<usize>, Vec<[u32; L]>) = some.map(|(pair, live)| (pair, *live)).unzip();
        let is_shared = live.iter().flatten().all(|&live| live != 0);
        let labels = indices.iter().flat_map(|&pair| [task.labels()[pair]; L]).collect();
        let pairs = indices.iter().map(|&pair| [(pair / n) as u32, (pair % n) as u32]).collect();
        Self { pairs, labels, live, is_shared, count: sets[0].len() }
    }

    /// Pairs of one network.
    pub fn len(&self) -> usize {
        self.count
    }
}

impl<const L: usize> Lanes<L> {
    /// Room for networks of this shape.
    ///
    /// # Returns
    /// `None` for a network that is not small, or has steps of attention or normalisation.
    pub fn new(network: &Network) -> Option<Self> {
        let layout = Layout::new(network)?;
        if layout.multiplications(network.order() * network.order()) > SMALL {
            return None;
        }
        let (tables, width) = (layout.tables * L, layout.width() * BLOCK * L);
        let mut lanes = Self {
            tables: Aligned::zeros(tables),
            of_tables: Aligned::zeros(tables),
            nodes: Aligned::zeros(width),
            of_nodes: Aligned::zeros(width),
            by_class: Aligned::zeros(network.order() * BLOCK * L),
            sums: [(0.0, 0); L],
            layout,
        };
        for (id, matrix) in lanes.layout.plan.small.iter().enumerate() {
            if let Small::Fill(number) = matrix.small {
                let start = lanes.layout.matrices[id].start;
                lanes.tables[start * L..(start + matrix.rows * matrix.columns) * L].fill(number);
            }
        }
        Some(lanes)
    }

    /// The parameters of all networks, (parameter, lane).
    pub fn parameters(&self) -> &[f32] {
        &self.tables[..self.layout.parameters * L]
    }

    /// The parameters of all networks, (parameter, lane), and the gradients with respect to them.
    pub fn parameters_mut(&mut self) -> (&mut [f32], &[f32]) {
        let len = self.layout.parameters * L;
        (&mut self.tables[..len], &self.of_tables[..len])
    }

    /// Loss and accuracy of every network over its pairs.
    pub fn evaluate(&mut self, set: &LanePairs<L>) -> [Evaluation; L] {
        self.pass::<false, true>(set);
        self.sums.map(|(loss, hits)| Evaluation::from_sums(loss, hits, set.count))
    }

    /// Puts the gradients of the mean losses beside the parameters.
    ///
    /// # Returns
    /// By network 0, or what its loss is where that is no finite number.
    pub fn gradient(&mut self, set: &LanePairs<L>) -> [f64; L] {
        self.pass::<true, false>(set);
        self.sums.map(|(loss, _)| loss)
    }

    /// Puts the gradients of the mean losses beside the parameters, and returns these losses.
    pub fn gradient_and_loss(&mut self, set: &LanePairs<L>) -> [f64; L] {
        self.pass::<true, true>(set);
        self.sums.map(|(loss, hits)| Evaluation::from_sums(loss, hits, set.count).loss)
    }

    fn pass<const BACKWARD: bool, const LOSSES: bool>(&mut self, set: &LanePairs<L>) {
        self.sums = [(0.0, 0); L];
        vectorised(
            #[inline(always)]
            || {
                self.matrices();
                if BACKWARD {
                    self.of_tables.fill(0.0);
                }
                for start in (0..set.pairs.len()).step_by(BLOCK) {
                    let block = start..set.pairs.len().min(start + BLOCK);
                    self.forward(&set.pairs[block.clone()], (!set.is_shared).then(|| &set.live[block.clone()]));
                    self.losses::<LOSSES>(set, block.clone());
                    if BACKWARD {
                        self.backward(&set.pairs[block]);
                    }
                }
                if BACKWARD {
                    self.back_matrices();
                }
            },
        );
    }

    #[inline(always)]
    fn matrices(&mut self) {
        let layout = &self.layout;
        for id in layout.plan.computed() {
            let (matrix, place) = (&layout.plan.small[id], layout.matrices[id]);
            let (before, out) = lanes_mut(&mut self.tables).split_at_mut(place.start);
            let out = &mut out[..matrix.rows * matrix.columns];
            let place = Place { start: 0, ..place };
            match &matrix.small {
                Small::Multiply(a, b) => {
                    out.fill([0.0; L]);
                    let size = [matrix.rows, layout.plan.small[*a].columns, matrix.columns];
                    let [a, b] = [a, b].map(|&id| (&*before, layout.matrices[id]));
                    multiply_onto::<false, L>(size, a, b, (out, place));
                }
                Small::Assemble(parts) => {
                    out.fill([0.0; L]);
                    for &(part, at) in parts {
                        let (source, width) =
                            (layout.source_of_elements(part, matrix.rows, before), layout.plan.small[part].columns);
                        for i in 0..matrix.rows {
                            add_row(&mut out[place.at(i, at)..][..width], source.row(i, [i as u32; 2], width));
                        }
                    }
                }
                Small::Rows(op, inputs) => {
                    let of = |&id| layout.source_of_elements(id, matrix.rows, before);
                    let sources: Vec<Source<'_, L>> = inputs.iter().map(of).collect();
                    step(op, &elements(matrix.rows), &sources, matrix.columns, out);
                }
                Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_) => {}
            }
        }
    }

    /// Takes the gradients with respect to matrices back to the parameters.
    #[inline(always)]
    fn back_matrices(&mut self) {
        let layout = &self.layout;
        let tables = lanes(&self.tables);
        for id in layout.plan.computed().rev() {
            let (matrix, place) = (&layout.plan.small[id], layout.matrices[id]);
            let (before, of) = lanes_mut(&mut self.of_tables).split_at_mut(place.start);
            let (of, place) = (&*of, Place { start: 0, ..place });
            match &matrix.small {
                Small::Multiply(a, b) => {
                    let inner = layout.plan.small[*a].columns;
                    let [a, b] = [a, b].map(|&id| layout.matrices[id]);
                    let size = [matrix.rows, matrix.columns, inner];
                    multiply_transposed_onto(size, (of, place), (tables, b), (&mut *before, a));
                    let size = [inner, matrix.rows, matrix.columns];
                    multiply_onto::<true, L>(size, (tables, a), (of, place), (before, b));
                }
                Small::Assemble(parts) => {
                    for &(part, at) in parts {
                        let source = layout.source_of_elements(part, matrix.rows, tables);
                        let width = layout.plan.small[part].columns;
                        for i in 0..matrix.rows {
                            let to = source.place.at(source.by.row(i, [i as u32; 2]), 0);
                            add_row(&mut before[to..][..width], &of[place.at(i, at)..][..width]);
                        }
                    }
                }
                Small::Rows(op, inputs) => {
                    let source = |&id| layout.source_of_elements(id, matrix.rows, tables);
                    let sources: Vec<Source<'_, L>> = inputs.iter().map(source).collect();
                    back_step(
                        op,
                        &elements(matrix.rows),
                        &sources,
                        (matrix.columns, of),
                        #[inline(always)]
                        |input, to, row| add_row(&mut before[sources[input].place.at(to, 0)..][..row.len()], row),
                    );
                }
                Small::Parameter(_) | Small::Slice { .. } | Small::Fill(_) => {}
            }
        }
    }

    #[inline(always)]
    fn forward(&mut self, pairs: &[[u32; 2]], live: Option<&[[u32; L]]>) {
        let (layout, rows) = (&self.layout, pairs.len());
        let tables = lanes(&self.tables);
        for id in layout.needed() {
            let (place, width) = (layout.node(id), layout.plan.nodes[id].width);
            let (before, out) = lanes_mut(&mut self.nodes).split_at_mut(place.start);
            let (before, out) = (&*before, &mut out[..rows * width]);
            let place = Place { start: 0, ..place };
            match &layout.plan.nodes[id].node {
                Node::Sum(form, then) => {
                    out.fill([0.0; L]);
                    for table in &form.tables {
                        let source = Source { values: tables, place: layout.matrices[table.table], by: table.by };
                        for (i, &pair) in pairs.iter().enumerate() {
                            let to = &mut out[place.at(i, table.at)..][..table.width];
                            add_row(to, source.row(i, pair, table.width));
                        }
                    }
                    for atom in &form.atoms {
                        let node = layout.node(atom.node).from(0, atom.channels.start);
                        let to = place.from(0, atom.at);
                        match atom.map {
                            Some(map) => {
                                let size = [rows, atom.channels.len(), atom.width];
                                let map = (tables, layout.matrices[map]);
                                multiply_onto::<false, L>(size, (before, node), map, (&mut *out, to));
                            }
                            None => {
                                for i in 0..rows {
                                    let from = &before[node.at(i, 0)..][..atom.width];
                                    add_row(&mut out[to.at(i, 0)..][..atom.width], from);
                                }
                            }
                        }
                    }
                    if let Some(function) = then {
                        function.apply_in_place(out.as_flattened_mut());
                    }
                }
                Node::Rows(op, inputs) => {
                    let source = |input: &Input| layout.source(input, tables, before);
                    let sources: Vec<Source<'_, L>> = inputs.iter().map(source).collect();
                    step(op, pairs, &sources, width, out);
                }
                Node::Hooked(..) => {}
            }
            // Nothing of a pair that a network does not have may get into its sums, not even what is no number.
            for (out, live) in out.chunks_exact_mut(width).zip(live.into_iter().flatten()) {
                keep(out, live);
            }
        }
    }

    /// Puts the gradients with respect to the logits of a block of pairs in their place, and adds the losses up: `ALL`, or those
    /// that are no finite numbers, for a logarithm of every pair takes longer than all the rest.
    #[inline(always)]
    fn losses<const ALL: bool>(&mut self, set: &LanePairs<L>, block: Range<usize>) {
        let (layout, rows) = (&self.layout, block.len());
        let id = layout.plan.logits.expect("logits are kept");
        let (place, classes) = (layout.node(id), layout.plan.nodes[id].width);
        let by_class = &mut lanes_mut(&mut self.by_class)[..classes * rows];
        transpose(&lanes(&self.nodes)[place.start..][..rows * classes], classes, rows, by_class);
        let labels = &set.labels[block.start * L..block.end * L];
        let sums = &mut self.sums;
        let weight = 1.0 / set.count as f64;
        loss_gradient_by_row::<ALL>(by_class.as_flattened_mut(), labels, weight, |row, outcome| {
            let (pair, lane) = (block.start + row / L, row % L);
            if set.live[pair][lane] != 0 && (ALL || !outcome.loss.is_finite()) {
                sums[lane].0 += outcome.loss;
                sums[lane].1 += usize::from(outcome.correct);
            }
        });
        self.of_nodes.fill(0.0);
        let gradient = &mut lanes_mut(&mut self.of_nodes)[place.start..][..rows * classes];
        transpose(by_class, rows, classes, gradient);
        if !set.is_shared {
            for (gradient, live) in gradient.chunks_exact_mut(classes).zip(&set.live[block]) {
                keep(gradient, live);
            }
        }
    }

    #[inline(always)]
    fn backward(&mut self, pairs: &[[u32; 2]]) {
        let (layout, rows) = (&self.layout, pairs.len());
        let (tables, nodes, of_tables) = (lanes(&self.tables), lanes(&self.nodes), lanes_mut(&mut self.of_tables));
        for id in layout.needed().rev() {
            let (place, width) = (layout.node(id), layout.plan.nodes[id].width);
            let values = &nodes[place.start..][..rows * width];
            let (before, of) = lanes_mut(&mut self.of_nodes).split_at_mut(place.start);
            let of = &mut of[..rows * width];
            let place = Place { start: 0, ..place };
            match &layout.plan.nodes[id].node {
                Node::Sum(form, then) => {
                    if *then == Some(Activation::Relu) {
                        where_positive(of, values);
                    }
                    let of = &*of;
                    for atom in &form.atoms {
                        let node = layout.node(atom.node).from(0, atom.channels.start);
                        let (gradient, channels) = (place.from(0, atom.at), atom.channels.len());
                        match atom.map.map(|map| layout.matrices[map]) {
                            Some(map) => {
                                let size = [channels, rows, atom.width];
                                multiply_onto::<true, L>(size, (nodes, node), (of, gradient), (&mut *of_tables, map));
                                let size = [rows, atom.width, channels];
                                multiply_transposed_onto(size, (of, gradient), (tables, map), (&mut *before, node));
                            }
                            None => {
                                for i in 0..rows {
                                    let from = &of[gradient.at(i, 0)..][..channels];
                                    add_row(&mut before[node.at(i, 0)..][..channels], from);
                                }
                            }
                        }
                    }
                    for table in &form.tables {
                        let matrix = layout.matrices[table.table];
                        for (i, &pair) in pairs.iter().enumerate() {
                            let to = matrix.at(table.by.row(i, pair), 0);
                            let from = &of[place.at(i, table.at)..][..table.width];
                            add_row(&mut of_tables[to..][..table.width], from);
                        }
                    }
                }
                Node::Rows(op, inputs) => {
                    let source = |input: &Input| layout.source(input, tables, nodes);
                    let sources: Vec<Source<'_, L>> = inputs.iter().map(source).collect();
                    back_step(
                        op,
                        pairs,
                        &sources,
                        (width, of),
                        #[inline(always)]
                        |input, to, row| {
                            let of = match inputs[input] {
                                Input::Table { .. } => &mut of_tables[..],
                                Input::Node { .. } => &mut before[..],
                            };
                            add_row(&mut of[sources[input].place.at(to, 0)..][..row.len()], row);
                        },
                    );
                }
                Node::Hooked(..) => {}
            }
        }
    }
}

fn lanes<const L: usize>(values: &[f32]) -> &[[f32; L]] {
    values.as_chunks().0
}

fn lanes_mut<const L: usize>(values: &mut [f32]) -> &mut [[f32; L]] {
    values.as_chunks_mut().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{Cyclic, Dihedral, Group};
    use crate::model::{Architecture, Token, Transformer};
    use crate::task::Split;

    fn small() -> Vec<Architecture> {
        let of_functions = Activation::ALL.map(|function| Architecture::summed_with(6, function));
        let described = Architecture::new()
            .embed("left", Token::Left, "W_E_a", 4)
            .embed("right", Token::Right, "W_E_b", 4)
            .activate("of_left", "left", Activation::Tanh)
            .sum("both", ["of_left", "right"])
            .linear("hidden_pre", "both", "W", 7)
            .activate("hidden", "hidden_pre", Activation::Square)
            .unembed("hidden", "W_U")
            .neurons("hidden");
        let others = [
            Architecture::one_layer(3, 5),
            Architecture::two_layer(4, 6),
            Architecture::bilinear(5),
            Architecture::one_layer(4, 9).with_output_bias(),
            described,
        ];
        of_functions.into_iter().chain(others).collect()
    }

    /// Losses and gradients of networks with these parameters and sets of pairs.
    fn pass<const L: usize>(networks: &[Network], task: &Task, sets: &[&[usize]]) -> (Vec<Evaluation>, Vec<Vec<f32>>) {
        let mut lanes = Lanes::<L>::new(&networks[0]).expect("it is small");
        for (lane, network) in networks.iter().enumerate() {
            let to = lanes.parameters_mut().0[lane..].iter_mut().step_by(L);
            to.zip(network.parameters()).for_each(|(to, value)| *to = *value);
        }
        let set = LanePairs::new(task, sets);
        let evaluations = lanes.evaluate(&set);
        assert_eq!(lanes.gradient(&set), [0.0; L]);
        let gradient = lanes.parameters_mut().1.to_vec();
        let of = |lane: usize| gradient[lane..].iter().step_by(L).copied().collect();
        (evaluations[..networks.len()].to_vec(), (0..networks.len()).map(of).collect())
    }

    #[test]
    fn losses_and_gradients_are_those_of_matrix_products_and_a_lane_has_the_bits_it_has_alone() {
        let groups: [Box<dyn Group>; 2] = [Box::new(Cyclic::new(5).unwrap()), Box::new(Dihedral::new(3).unwrap())];
        for group in &groups {
            let (n, task) = (group.order(), Task::new(group));
            for architecture in small() {
                let make = |seed| Network::random(architecture.clone(), n, seed).unwrap();
                let networks: Vec<Network> = (1..=LANES as u64).map(make).collect();
                let splits = (1..=LANES as u64).map(|seed| Split::random(n, 0.7, seed).unwrap().train);
                let sets: Vec<Vec<usize>> = splits.collect();
                let sets: Vec<&[usize]> = sets.iter().map(|set| &set[..]).collect();
                let (evaluations, gradients) = pass::<LANES>(&networks, &task, &sets);
                for (lane, network) in networks.iter().enumerate() {
                    let (expected, of_products) = network.loss_and_gradient(&task, sets[lane]).unwrap();
                    assert!((evaluations[lane].loss - expected.loss).abs() <= 1e-5 * expected.loss, "{architecture:?}");
                    assert_eq!(evaluations[lane].accuracy, expected.accuracy);
                    let largest = of_products.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                    for (got, want) in gradients[lane].iter().zip(&of_products) {
                        assert!((got - want).abs() <= 1e-5 * largest, "{architecture:?}: {got} against {want}");
                    }
                    let (of, set) = (std::slice::from_ref(network), &[sets[lane]][..]);
                    for alone in [pass::<1>(of, &task, set), pass::<LANES>(of, &task, set)] {
                        assert_eq!((alone.0[0], &alone.1[0]), (evaluations[lane], &gradients[lane]));
                    }
                }
            }
        }
    }

    /// A pair that a network does not have may overflow.
    #[test]
    fn what_another_network_has_is_nothing_to_a_lane() {
        let (group, architecture) = (Cyclic::new(5).unwrap(), Architecture::summed_with(3, Activation::Square));
        let task = Task::new(&group);
        let mut networks = [1, 2].map(|seed| Network::random(architecture.clone(), 5, seed).unwrap());
        networks[0].parameters_mut()[12..15].fill(1e30);
        let (few, all): (Vec<usize>, Vec<usize>) = ((0..20).collect(), (5..25).collect());
        let together = pass::<LANES>(&networks, &task, &[&few, &all]);
        let alone = pass::<1>(&networks[..1], &task, &[&few]);
        assert!(alone.0[0].loss.is_finite() && alone.1[0].iter().all(|v| v.is_finite()));
        assert_eq!((together.0[0], &together.1[0]), (alone.0[0], &alone.1[0]));
    }

    #[test]
    fn large_networks_and_transformers_are_left_to_matrix_products() {
        let transformer = Transformer { d_model: 4, heads: 1, d_head: 4, d_mlp: Some(3), ..Transformer::default() };
        let transformer = Network::random(transformer.architecture(), 3, 1).unwrap();
        let large = Network::random(Architecture::one_layer(256, 128), 106, 1).unwrap();
        assert!(Lanes::<1>::new(&transformer).is_none());
        assert!(Lanes::<1>::new(&large).is_none());
    }
}
