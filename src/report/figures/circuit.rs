//! Pictures of circuits: phases and vectors of neurons, functions of x y z^-1, neurons on cosets.

use crate::analysis::{Circuit, CircuitKind, Coefficient, Explanation};
use crate::irrep::{Irrep, Kind};
use crate::linalg::symmetric_eigen;
use crate::model::Interpretable;
use crate::report::{Axis, Figure, Heat, Marks, Points, Scale};
use ndarray::{Array1, Array2, s};

/// For every circuit that has them the pictures of its members' vectors, of its function of x y z^-1, and of a neuron on cosets, with
/// the circuit's name.
pub fn circuits(explanation: &Explanation) -> Vec<(String, Vec<Figure>)> {
    let of = |circuit: &Circuit| {
        let figures = [
            circuit_vectors(explanation, circuit),
            Some(circuit_function(explanation, circuit)),
            coset_matrix(explanation, circuit),
        ];
        (explanation.circuit_name(circuit), figures.into_iter().flatten().collect())
    };
    explanation.circuits.iter().map(of).collect()
}

/// The vectors of a circuit's neurons: for an irrep that turns the plane the phases of maps and output on a circle, else u, v and w along
/// the two directions in which they vary most; `None` for a circuit of cosets.
pub fn circuit_vectors(explanation: &Explanation, circuit: &Circuit) -> Option<Figure> {
    let CircuitKind::Irrep(irrep) = circuit.kind else { return None };
    let irrep = &explanation.irreps[irrep];
    let members: Vec<(usize, &Coefficient)> = circuit
        .members
        .iter()
        .filter_map(|&k| Some((k, explanation.neurons[k].shape.coefficients().first()?)))
        .collect();
    if irrep.kind == Kind::Complex && irrep.dim == 2 {
        return Some(phases(irrep, &members));
    }
    // Lengths are those of the maps; directions are what the theory speaks of.
    let unit = |vector: &Array1<f64>| vector / vector.dot(vector).sqrt();
    let kinds = ["u, of x and z", "v, of x and y", "w, of y and z"];
    let of_kind = |kind: usize, coefficient: &Coefficient| {
        unit([&coefficient.left, &coefficient.shared, &coefficient.right][kind])
    };
    let all = members.iter().flat_map(|(_, coefficient)| (0..3).map(|kind| of_kind(kind, coefficient)));
    let mut moments = Array2::<f64>::zeros((irrep.dim, irrep.dim));
    for vector in all {
        moments += &(&vector.view().insert_axis(ndarray::Axis(1)) * &vector);
    }
    let d = irrep.dim;
    let axes = match d {
        1 | 2 => Array2::eye(d),
        _ => symmetric_eigen(moments.view()).ok()?.1.slice(s![.., d - 2..]).to_owned(),
    };
    let points = |kind: usize| {
        let at: Vec<Array1<f64>> =
            members.iter().map(|(_, coefficient)| axes.t().dot(&of_kind(kind, coefficient))).collect();
        let hover = members.iter().map(|(k, _)| format!("neuron {k}: {}", kinds[kind])).collect();
        let place = |i: usize| at.iter().map(|point| point.get(i).copied().unwrap_or(0.0)).collect();
        Points::new(kinds[kind], place(0), place(1), hover)
    };
    let axis = |title: &str| Axis::new(title).between(-1.1, 1.1);
    let figure = Figure::new(
        format!("Vectors of {}", irrep.label),
        axis("first direction"),
        axis("second direction"),
        Marks::Scatter((0..3).map(points).collect()),
    );
    Some(match d {
        1 | 2 => figure,
        _ => figure.with_note(format!("Of {d} directions the two along which the vectors vary most.")),
    })
}

/// Phases of the sines that neurons read and write, on circles of their own.
fn phases(irrep: &Irrep, members: &[(usize, &Coefficient)]) -> Figure {
    let angle = |vector: &Array1<f64>| vector[1].atan2(vector[0]);
    let kinds = ["of x", "of y", "of z, as read: the sum"];
    let points = |kind: usize| {
        let radius = 1.0 - 0.2 * kind as f64;
        let phase = |coefficient: &Coefficient| {
            let Coefficient { left, shared, right, .. } = coefficient;
            match kind {
                0 => angle(left) - angle(shared),
                1 => angle(shared) - angle(right),
                _ => angle(left) - angle(right),
            }
        };
        let place = |f: fn(f64) -> f64| members.iter().map(|(_, of)| radius * f(phase(of))).collect();
        let hover = |(k, of): &(usize, &Coefficient)| {
            let turns = (phase(of) / std::f64::consts::TAU).rem_euclid(1.0);
            format!("neuron {k}, {}: {turns:.4} of a turn", kinds[kind])
        };
        Points::new(kinds[kind], place(f64::cos), place(f64::sin), members.iter().map(hover).collect())
    };
    let axis = |title: &str| Axis::new(title).between(-1.15, 1.15);
    Figure::new(
        format!("Phases of {}", irrep.label),
        axis("cosine"),
        axis("sine"),
        Marks::Scatter((0..3).map(points).collect()),
    )
    .with_note("A point is a neuron; each kind has a circle of its own.")
}

/// A circuit's function of x y z^-1 against the character that it is most like: points on a line if it is a multiple of it.
pub fn circuit_function(explanation: &Explanation, circuit: &Circuit) -> Figure {
    let irrep = &explanation.irreps[circuit.like];
    let hover = |(g, (character, value))| format!("element {g}: character {character:.4}, function {value:.4}");
    let both = irrep.character.iter().zip(&circuit.function);
    let points = Points::new(
        "elements",
        irrep.character.to_vec(),
        circuit.function.to_vec(),
        both.enumerate().map(hover).collect(),
    );
    Figure::new(
        format!("What {} writes, by x y z^-1", explanation.circuit_name(circuit)),
        Axis::new(format!("character of {}", irrep.label)),
        Axis::new("mean logit"),
        Marks::Scatter(vec![points]),
    )
    .with_note(format!("The cosine of the two is {:.4}.", circuit.character))
}

/// The neuron of a circuit that varies most on cosets, at every pair of them; `None` for a circuit without such neurons.
pub fn coset_matrix(explanation: &Explanation, circuit: &Circuit) -> Option<Figure> {
    let maps = explanation.network().as_separable()?;
    let function = maps.neuron_function()?.function;
    let matrix = |k: usize| {
        let [left, right] = &**explanation.neurons[k].cosets.as_ref()?;
        let at = |(p, q): (usize, usize)| {
            function.apply(maps.combiner().apply(left.values[p] as f32, right.values[q] as f32))
        };
        Some((k, Array2::from_shape_fn((left.values.len(), right.values.len()), at)))
    };
    let varies = |values: &Array2<f32>| f64::from(values.var(0.0));
    let all = circuit.members.iter().filter_map(|&k| matrix(k));
    let (k, values) = all.max_by(|(_, a), (_, b)| varies(a).total_cmp(&varies(b)))?;
    let [left, right] = &**explanation.neurons[k].cosets.as_ref()?;
    let name = |class: usize| &explanation.class_names[class];
    Some(Figure::new(
        format!("Neuron {k} on cosets"),
        Axis::new(format!("coset of {}, of y", name(right.class))),
        Axis::new(format!("coset of {}, of x", name(left.class))),
        Marks::Heat(Heat::new(values, Scale::Sequential)),
    ))
}
