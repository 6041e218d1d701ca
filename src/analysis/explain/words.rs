//! An explanation as tables and in words.

use super::super::table::{Cell, Table, lines};
use super::super::terms::*;
use super::{Circuit, CircuitKind, Comparison, ExplainedNeuron, Explanation, NeuronOutput, Shape, Side};
use crate::model::Evaluation;
use std::collections::BTreeMap;
use std::fmt;

/// Why a circuit of cosets has no measure of an irrep.
const OF_COSETS: &str = "a circuit of cosets has no irrep of its own";

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

impl Explanation {
    /// What every circuit is, in the order of [`Explanation::circuits`].
    #[must_use]
    pub fn circuit_table(&self) -> Table {
        let row = |circuit: &Circuit| {
            vec![
                Cell::text(self.circuit_name(circuit)),
                Cell::Count(circuit.members.len()),
                Cell::Share(circuit.share),
                Cell::Share(circuit.of_product),
                Cell::text(self.irreps[circuit.like].label.as_str()),
                Cell::Number(circuit.character),
                Cell::number(circuit.evenness, OF_COSETS),
                Cell::number(circuit.alignment, OF_COSETS),
            ]
        };
        let columns = vec![CIRCUIT, WIDTH, CIRCUIT_SHARE, OF_PRODUCT, LIKE, CHARACTER_COSINE, EVENNESS, ALIGNMENT];
        Table::new("Circuits", columns, self.circuits.iter().map(row).collect())
    }

    /// How many neurons have which shape, and how much of them it accounts for.
    #[must_use]
    pub fn shape_table(&self) -> Table {
        let mut kinds: BTreeMap<String, Vec<&ExplainedNeuron>> = BTreeMap::new();
        for neuron in &self.neurons {
            kinds.entry(self.shape_name(neuron)).or_default().push(neuron);
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, neurons)| std::cmp::Reverse(neurons.len()));
        let row = |(name, neurons): (String, Vec<&ExplainedNeuron>)| {
            let share = |of: fn(&super::Shares) -> f64| {
                let values = || neurons.iter().filter_map(|neuron| neuron.shares.as_ref().map(of));
                Cell::share((values().count() > 0).then(|| mean(values())), "a neuron without a shape")
            };
            vec![
                Cell::Text(name),
                Cell::Count(neurons.len()),
                share(|shares| shares.left),
                share(|shares| shares.right),
                share(|shares| shares.unembed),
                Cell::Count(neurons.iter().map(|neuron| neuron.numbers).sum()),
            ]
        };
        let columns = vec![SHAPE, WIDTH, FITTED_LEFT, FITTED_RIGHT, FITTED_OUTPUT, NUMBERS];
        Table::new("Neurons by shape", columns, kinds.into_iter().map(row).collect())
    }

    /// What the loss needs of every circuit.
    #[must_use]
    pub fn loss_table(&self, comparison: &Comparison) -> Table {
        let row = |losses: &super::CircuitLosses| {
            vec![
                Cell::text(self.circuit_name(&self.circuits[losses.circuit])),
                Cell::Number(losses.alone.loss),
                Cell::Share(losses.alone.accuracy),
                Cell::Number(losses.without.loss),
                Cell::Number(losses.so_far.loss),
            ]
        };
        let columns = vec![CIRCUIT, ALONE, ACCURACY_ALONE, WITHOUT_CIRCUIT, SO_FAR];
        let rows = comparison.circuits.iter().map(row).collect();
        Table::new("What the loss needs of each circuit, in the order in which each adds the most", columns, rows)
    }

    /// What a circuit is called: its irrep, or the subgroups whose cosets it is of.
    pub(crate) fn circuit_name(&self, circuit: &Circuit) -> String {
        match circuit.kind {
            CircuitKind::Irrep(_) => circuit.name.clone(),
            CircuitKind::Subgroups(_) => format!("cosets of {}", circuit.name),
        }
    }

    /// A neuron's shape in a few words.
    fn shape_name(&self, neuron: &ExplainedNeuron) -> String {
        let label = |irrep: usize| self.irreps[irrep].label.as_str();
        let cosets = || {
            neuron.cosets.as_ref().map_or(String::new(), |maps| {
                let of = |map: &super::CosetMap| (self.class_names[map.class].as_str(), map.values.len());
                let ((a, p), (b, q)) = (of(&maps[0]), of(&maps[1]));
                match (a, p) == (b, q) {
                    true => format!("{a} (index {p})"),
                    false => format!("{a} (index {p}) and {b} (index {q})"),
                }
            })
        };
        match &neuron.shape {
            Shape::Dim => "dim: next to nothing reaches the logits".into(),
            Shape::Unexplained => "unexplained".into(),
            Shape::Cosets => format!("constant on cosets of {}", cosets()),
            Shape::Coefficients(terms) => {
                let labels: Vec<&str> = terms.iter().map(|term| label(term.irrep)).collect();
                labels.join(" + ")
            }
            Shape::RhoSet { coefficient, fixed } => {
                let what = match (&fixed.outer, &fixed.shared) {
                    (Some(_), Some(_)) => "u, v and w",
                    (Some(_), None) => "u and w",
                    _ => "v",
                };
                match neuron.cosets {
                    Some(_) => format!("{}, {what} fixed; cosets of {}", label(coefficient.irrep), cosets()),
                    None => format!("{}, {what} fixed", label(coefficient.irrep)),
                }
            }
        }
    }

    /// What the network computes: a paragraph on the whole, one on each kind of shape that occurs, and one a circuit.
    #[must_use]
    pub fn paragraphs(&self) -> Vec<String> {
        let count = |shape: &Shape| self.neurons.iter().filter(|neuron| neuron.shape == *shape).count();
        let (dim, unexplained) = (count(&Shape::Dim), count(&Shape::Unexplained));
        let n = self.irreps.first().map_or(0, |irrep| irrep.character.len());
        let mut paragraphs = vec![format!(
            "Of {} neurons {} are explained, {unexplained} unexplained and {dim} dim. The idealised network takes {} numbers, where \
             maps, unembedding and bias of the network have {}.",
            self.neurons.len(),
            self.neurons.len() - dim - unexplained,
            self.numbers(),
            3 * n * self.neurons.len() + n,
        )];
        let has = |of: fn(&Circuit) -> bool| self.circuits.iter().any(of);
        if has(|circuit| matches!(circuit.kind, CircuitKind::Irrep(_))) {
            paragraphs.push(
                "A neuron of an irrep rho reads u^T rho(x) v and v^T rho(y) w, with one vector v, and writes a t + b t^2 with \
                 t = u^T rho(z) w; on a cyclic group these are sines, and |u| and |w| their amplitudes."
                    .into(),
            );
        }
        if has(|circuit| matches!(circuit.kind, CircuitKind::Subgroups(_))) {
            paragraphs.push("A neuron of cosets reads a function on the cosets H x and one on the cosets y K.".into());
        }
        paragraphs.extend(self.circuits.iter().enumerate().map(|(number, circuit)| self.paragraph(number, circuit)));
        paragraphs
    }

    /// What a circuit computes, in a paragraph with its numbers.
    fn paragraph(&self, number: usize, circuit: &Circuit) -> String {
        let members = || circuit.members.iter().map(|&k| &self.neurons[k]);
        let count = |of: &dyn Fn(&ExplainedNeuron) -> bool| members().filter(|neuron| of(neuron)).count();
        let (name, all) = (self.circuit_name(circuit), circuit.members.len());
        let mut text = format!(
            "Circuit {}, {name}: {all} neuron{}, {:.1} % of what the logits vary by",
            number + 1,
            if all == 1 { "" } else { "s" },
            100.0 * circuit.share
        );
        let parts = match circuit.kind {
            CircuitKind::Irrep(_) => {
                let size = |side: usize| {
                    mean(members().filter_map(|neuron| {
                        let coefficient = neuron.shape.coefficients().first()?;
                        let vector = [&coefficient.left, &coefficient.right][side];
                        Some(vector.dot(vector).sqrt())
                    }))
                };
                text += &format!("; |u| {:.3} and |w| {:.3} on average", size(0), size(1));
                vec![
                    (count(&|neuron| matches!(neuron.shape, Shape::RhoSet { .. })), "with vectors that subgroups fix"),
                    (
                        count(&|neuron| neuron.shape.coefficients().len() > 1),
                        "with smaller coefficients of other irreps beside",
                    ),
                    (
                        count(&|neuron| matches!(neuron.written, NeuronOutput::OwnVectors { .. })),
                        "that write along vectors of their own",
                    ),
                ]
            }
            CircuitKind::Subgroups(_) => {
                let inner = |side: usize, outer: Side| {
                    count(&|neuron| neuron.cosets.as_ref().is_some_and(|maps| maps[side].side != outer))
                };
                vec![(inner(0, Side::Right), "that read x H instead"), (inner(1, Side::Left), "that read K y instead")]
            }
        };
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            text += &format!("; {count} {what}");
        }
        text += ". ";
        text += &format!(
            "Of what they write {:.1} % is a function of x y z^-1; its cosine with the character of {} is {:.4}.",
            100.0 * circuit.of_product,
            self.irreps[circuit.like].label,
            circuit.character
        );
        if let (Some(evenness), Some(alignment)) = (circuit.evenness, circuit.alignment) {
            text += &format!(" Evenness {evenness:.3}, alignment {alignment:.4}.");
        }
        text
    }
}

/// What the network computes, circuit by circuit, then tables of the circuits and of the neurons' shapes.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.paragraphs().iter().try_for_each(|paragraph| writeln!(f, "{}\n", lines(paragraph)))?;
        write!(f, "{}\n\n{}", self.circuit_table(), self.shape_table())
    }
}

impl Comparison {
    /// The loss and accuracy of the network, of the idealised network and of what that leaves.
    #[must_use]
    pub fn table(&self) -> Table {
        let row =
            |(what, of): (&str, Evaluation)| vec![Cell::text(what), Cell::Number(of.loss), Cell::Share(of.accuracy)];
        let rows = [
            ("the network", self.network),
            ("the idealised network", self.explanation),
            ("what it leaves", self.remainder),
        ];
        Table::new("Fidelity, over all pairs", vec![COMPARED, LOSS, ACCURACY], rows.map(row).to_vec())
    }

    /// How near the idealised network is, in a paragraph.
    #[must_use]
    pub fn paragraph(&self) -> String {
        let recovered = match self.loss_recovered {
            Some(share) => {
                format!(
                    "The idealised network recovers {:.4} % of the loss between a guess and the network.",
                    100.0 * share
                )
            }
            None => "The network itself does no better than a guess.".into(),
        };
        format!(
            "The two agree on the largest logit at {:.4} % of all pairs. Their logits, less each pair's mean, differ by {:.4} on \
             average and {:.4} at most; the divergence is {:.3e} nats. {recovered}",
            100.0 * self.agreement,
            self.mean_difference,
            self.largest_difference,
            self.divergence,
        )
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Network:            {}", self.network)?;
        writeln!(f, "Idealised network:  {}", self.explanation)?;
        writeln!(f, "What it leaves:     {}", self.remainder)?;
        write!(f, "{}", lines(&self.paragraph()))
    }
}
