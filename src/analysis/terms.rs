//! What the numbers of the analyses' tables are, each defined once for text and page.

// A few are of pages alone.
#![cfg_attr(not(feature = "report"), allow(dead_code))]

use super::table::Term;
use std::borrow::Cow;

macro_rules! terms {
    ($($id:ident: $name:literal, $means:literal;)*) => {
        $(pub(crate) const $id: Term = Term { name: Cow::Borrowed($name), means: Cow::Borrowed($means) };)*
    };
}

terms! {
    LOSS: "loss", "Mean cross-entropy in nats of the model's logits against the product xy, over all pairs unless it says otherwise.";
    ACCURACY: "accuracy", "Share of pairs whose largest logit is at the product xy.";
    ORDER: "group order", "Number of elements of the group; there are its square many pairs.";
    WIDTH: "neurons", "Channels of the layer that neuron analyses look at.";
    TRAIN_SHARE: "training share", "Share of all pairs that the network was trained on.";
    WEIGHTS: "sum of squared weights", "Squares of all weights added up, without the optimiser's state.";
    BLOCK: "block", "Rows of the basis that belong together: a frequency with its cosine and sine, or an irrep with its matrix coefficients.";
    CLUSTER: "neurons in cluster", "Neurons whose square norm this block explains best.";
    EXPLAINED: "explained", "Share of a neuron's square norm in the terms ({const} and the block) of x times those of y, in every region; in a table of clusters the mean over the neurons.";
    CENTRED: "explained, centred", "The share explained once the neuron's mean over all pairs is removed, so that the constant counts for no block.";
    RUNNER_UP: "runner-up", "The share of the next best block; a label means little if it is close to the winner's.";
    AS_RANDOM: "no better than random", "Neurons whose share, centred, some neuron of an untrained network of the same architecture reaches in that block: their labels say nothing.";
    WHAT: "what it is", "A neuron's block. Tied: it varies, but no block leads the next by a hundred-thousandth of what varies; in brackets the irrep of the whole group that it has. Constant: it has one value at all pairs. Dim: see there.";
    CHANCE: "chance", "The share that white noise would have in the block: its terms over all terms.";
    WITHOUT: "loss without", "Loss over all pairs once the cluster's neurons are set to zero.";
    SHARE: "share of the layer", "The neuron's square norm over that of the whole layer.";
    DIM: "dim", "A neuron with less than a millionth of the layer's square norm: it gets no block and is in no cluster.";
    TIED: "tied", "Neurons that vary, but of which no block leads the next by a hundred-thousandth of what varies: they have no block and are in no cluster.";
    CONSTANT: "constant", "Neurons with one value at all pairs, up to rounding: they have no block and are in no cluster.";
    NEURON: "neuron", "Number of the channel, from 0.";
    ABLATION: "what was done", "The change made to the model's activations or logits before the loss was taken again.";
    TIMES: "times the loss", "The loss after the change over the loss before it.";
    TERM_KIND: "kind of 2-D term", "A coefficient of (row of x) times (row of y): constant if both rows are, linear if one is, else quadratic within one block or across two.";
    HIDDEN_SHARE: "hidden", "Share of the neurons' energy, their means removed, in terms of this kind.";
    LOGIT_SHARE: "logits", "Share of the energy of the logits, less each pair's mean over the classes, in terms of this kind: what a softmax sees.";
    RAW_SHARE: "logits as they are", "Share of the energy of the logits as they are, as published, in terms of this kind; a constant added to all logits of a pair changes it and nothing else.";
    REGION: "region", "Sector of x and sector of y: rotation times reflection, say.";
    TO_SECTOR: "energy to the product's sector", "Energy of the logits along the block's rows in the output sector where xy lies, over that in all output sectors.";
    PLUS: "along f(x + y)", "Share of that energy along functions of the sum of the positions, which is where the product lies for a rotation on the left.";
    MINUS: "along f(x - y)", "Share of that energy along functions of the difference of the positions, which is where it lies for a reflection on the left.";
    IRREP: "irrep", "Irreducible real representation of the group; for a cyclic group a frequency.";
    DIMENSION: "dimension", "Size of the irrep's matrices.";
    KIND: "kind", "Real, complex or quaternionic, by what commutes with the irrep.";
    SIMILARITY: "trace similarity", "Cosine, over all (x, y, z), of the logits centred over z with the character at x y z^-1; above 0.005 the irrep is a key irrep.";
    HEAD: "head", "Attention head of the layer, from 0.";
    POSITION: "position", "Key position that the head looks at, from 0: x, y, then constant tokens.";
    HEAD_MEAN: "mean pattern", "Share of its attention that the head gives the position, averaged over all pairs.";
    HEAD_DEVIATION: "deviation", "Standard deviation of the pattern over all pairs.";
    HEAD_LEFT: "of x", "Share of the pattern's variance that is a function of the left element.";
    HEAD_RIGHT: "of y", "Share of the pattern's variance that is a function of the right element.";
    HEAD_BOTH: "of both", "Share of the pattern's variance that is no function of x plus one of y.";
    LEFT: "left map", "Share of the irrep or block in the square norm of the map from x to the neurons, or else of the left embedding.";
    RIGHT: "right map", "Share of the irrep or block in the square norm of the map from y to the neurons, or else of the right embedding.";
    UNEMBED: "unembedding", "Share of the irrep or block in the square norm of W_U, less its mean over the classes.";
    RAW_UNEMBED: "unembedding as it is", "Share of the irrep in the square norm of W_U as it is, as published; what all classes have in common, which no softmax sees, counts for the trivial irrep.";
    HIDDEN_X: "hidden, of x", "Share of the centred hidden layer's square norm that is a function of x in the irrep.";
    HIDDEN_Y: "hidden, of y", "Share of the centred hidden layer's square norm that is a function of y in the irrep.";
    HIDDEN_XY: "hidden, of xy", "Share of the centred hidden layer's square norm that is a function of xy in the irrep.";
    RESTRICTED: "restricted loss", "Loss over all pairs from the hidden layer's part that is a function of xy in the irrep or block, alone.";
    EXCLUDED: "excluded loss", "Loss over the training pairs without the hidden layer's part that is a function of xy in the irrep or block.";
    LOGIT_RESTRICTED: "restricted loss, logits", "Loss over all pairs from the component of the centred logits along the irrep's character, alone.";
    LOGIT_EXCLUDED: "excluded loss, logits", "Loss over the training pairs without the component of the logits along the irrep's character.";
    PAIRS: "pairs", "The set of pairs that the loss is taken over.";
    CHANNELS: "which", "Their channels, from 0.";
    EPOCH: "epoch", "Epochs trained.";
    OTHERS: "others", "Neurons labelled with a block that is no key block.";
    COMPONENT: "component", "Function of the basis along which the squared norms are taken.";
    EMBED_LEFT: "embed left", "Of the left embedding.";
    EMBED_RIGHT: "embed right", "Of the right embedding.";
    NEURON_LEFT: "neuron left", "Of the map from x to the neurons.";
    NEURON_RIGHT: "neuron right", "Of the map from y to the neurons.";
    UNEMBED_CENTRED: "unembed", "Of W_U less its mean over the classes, which no softmax sees, sectors apart.";
    UNEMBED_RAW: "unembed, as it is", "Of W_U as it is, sectors apart.";
    OUTPUT_BIAS: "output bias", "Of the output bias less its mean over the classes.";
    CLASS: "subgroups", "Which group the subgroups of the class are; (a), (b), ... behind it for classes of isomorphic subgroups that are not conjugate, in the order of the list of classes.";
    WITHIN_LEFT: "left map within cosets", "Share of the variance of the map from x to the neuron that lies within the right cosets H x; the mean over the neurons.";
    WITHIN_RIGHT: "right map within cosets", "Share of the variance of the map from y to the neuron that lies within the left cosets y K; the mean over the neurons.";
    COSET_CHANCE: "chance", "The share of the variance within cosets that a random map would have.";
    FVE: "logits explained", "Share of the centred logits' square norm along the characters of the nontrivial irreps.";
    CONCENTRATION: "concentration", "Variance of a map within the cosets of a subgroup, added up over cosets, over its whole variance, of the less constant of the two maps and the mean over the neurons; below 1 a neuron counts as constant on cosets.";
    SUBGROUP: "order of the subgroups", "Number of elements of each subgroup of the class on whose cosets the neurons are constant.";
    STEP: "step", "A step of the network, which is a site by its name.";
    COMPUTES: "computes", "What the step computes from those before it and from parameters.";
    SETTING: "setting", "A key of the run's cfg.json.";
    VALUE: "value", "What the key is set to.";
    HEAD_CARRIES: "carries", "The element that at least 90 % of the variance of what the head adds to the residual stream is a function of; both if neither has that much.";
    HEAD_OF_LEFT: "written, of x", "Share of the variance of what the head adds to the residual stream that is a function of x.";
    HEAD_OF_RIGHT: "written, of y", "Share of the variance of what the head adds to the residual stream that is a function of y.";
    HEAD_OF_BOTH: "written, of both", "Share of the variance of what the head adds to the residual stream that is neither a function of x plus one of y.";
    HEAD_FROZEN: "loss, pattern frozen", "Loss over all pairs with the pattern at its mean over all pairs.";
    HEAD_OFF: "loss, head off", "Loss over all pairs with what the head writes at zero.";
    HEAD_DIRECT: "loss, read by neurons alone", "Loss over all pairs with what the head writes read by the neurons of its block, and taken out of the residual stream behind them.";
    PATTERN_X: "pattern, of x", "Share of the pattern's variance in functions of x, regions apart.";
    PATTERN_Y: "pattern, of y", "Share of the pattern's variance in functions of y, regions apart.";
    PATTERN_PRODUCT: "pattern, within blocks", "Share of the pattern's variance in products of two rows of one block, one of x and one of y.";
    PATTERN_BLOCKS: "blocks of the pattern", "Blocks with at least 5 % of the pattern's variance, functions of x, of y and products together.";
    MAP_CONSTANT: "map, constant", "Share of the square norm of the map from elements to neurons' inputs, with the head looking at this position alone, that is constant.";
    MAP_BLOCKS: "blocks of the map", "Blocks with at least 5 % of what varies of the map from elements to neurons' inputs, with the head looking at this position alone.";
    CIRCUIT: "circuit", "Neurons that compute the same thing: with matrix coefficients of one irrep, or with cosets of one class of subgroups.";
    CIRCUIT_SHARE: "share of logits", "Energy that the circuit's neurons write to the logits, less each pair's mean over the classes, over that of all neurons. Where circuits work together the shares do not add up to 1.";
    OF_PRODUCT: "of x y z^-1", "Share of what the circuit writes that is one function of x y z^-1.";
    LIKE: "like", "The irrep whose character the circuit's function of x y z^-1 is most like.";
    CHARACTER_COSINE: "cosine", "Cosine between the circuit's function of x y z^-1 and that character.";
    EVENNESS: "evenness", "How evenly what the circuit's neurons write covers the functions of the irrep; 1 if all alike. For sines, how evenly phases cover the circle.";
    ALIGNMENT: "alignment", "Mean correlation between what a neuron writes and u^T rho(z) w of the vectors of its two maps. For sines the cosine of the output phase less the sum of the input phases.";
    SHAPE: "shape", "What a neuron's maps of x and y are: matrix coefficients of irreps with one vector in common, these with vectors that subgroups fix (a rho-set), or functions on cosets.";
    FITTED_LEFT: "left map", "Share of the variance of the map from x to the neuron that its shape has; the mean over the neurons.";
    FITTED_RIGHT: "right map", "Share of the variance of the map from y to the neuron that its shape has; the mean over the neurons.";
    FITTED_OUTPUT: "unembedding", "Share of the variance of the neuron's row of the unembedding that its shape has; the mean over the neurons.";
    NUMBERS: "numbers", "Numbers that the shapes of these neurons take, those of what they write among them.";
    ALONE: "loss alone", "Loss over all pairs of the idealised network with this circuit alone.";
    ACCURACY_ALONE: "accuracy alone", "Accuracy over all pairs of the idealised network with this circuit alone.";
    WITHOUT_CIRCUIT: "loss without", "Loss over all pairs of the idealised network without this circuit.";
    SO_FAR: "loss so far", "Loss over all pairs of the idealised network with this circuit and those above it.";
    GINI: "Gini", "Gini coefficient of the norms of the map's components along the irreps, all neurons together; 0 if all are alike, near 1 if few have all.";
    PARTICIPATION: "IPR", "Inverse participation ratio of a neuron's energies by irrep, the mean over the neurons; 1 if each is in one irrep.";
    RANK_ONE: "rank one", "Share of the square norm of the map's matrix in the neuron's irrep that the nearest matrix of rank one has, the mean over the neurons.";
    SHARED: "shared", "Squared cosine of the vectors that two of a neuron's maps have in common: u of left map and unembedding, v of both maps, w of right map and unembedding; the mean over the neurons.";
    PHASES: "alignment", "Cosine between the product of the matrices of a neuron's two maps and that of what it writes, the mean over the neurons; for sines of the output phase less the sum of the input phases.";
    LEAST_MARGIN: "least margin", "Logit of the product less the largest other one, at the pair where that is least.";
    MEAN_MARGIN: "mean margin", "Logit of the product less the largest other one, the mean over all pairs.";
    NORMALISED_MARGIN: "normalised margin", "Least margin over the sum over neurons of the norm of their weights to the power of the logits' degree in these.";
    COMPARED: "what", "The network, the idealised network that its explanation makes, or the difference of the two.";
    CONJUGATES: "conjugates", "Number of subgroups in the class.";
}
