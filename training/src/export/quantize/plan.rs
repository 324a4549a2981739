//! Which nodes of a graph compute in 8 bits.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::graph_index::{GraphIndex, Reader};
use crate::export::onnx::{GraphProto, NodeProto, TensorProto};

/// The nodes that compute in 8 bits, and the values that are stored in 8 bits.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    index: GraphIndex<'a>,
    /// The value that each 8-bit node computes, by the index of the node.
    results: BTreeMap<usize, &'a str>,
    /// The activation functions that are left out, by the index of the node.
    omitted: BTreeSet<usize>,
    /// The values that are stored in 8 bits.
    stored: BTreeSet<&'a str>,
}

impl<'a> Plan<'a> {
    /// Chooses all convolutions with constant weights except those named in `keep`, and the pools and sums whose
    /// inputs and readers are all in 8 bits.
    pub(super) fn of(graph: &'a GraphProto, keep: &BTreeSet<String>) -> Self {
        let mut plan = Self {
            index: GraphIndex::of(graph),
            results: BTreeMap::new(),
            omitted: BTreeSet::new(),
            stored: BTreeSet::new(),
        };
        for (number, node) in graph.node.iter().enumerate() {
            if !keep.contains(&node.name) {
                plan.consider(number, node);
            }
        }
        plan.remove_unconnected();
        for (&number, &result) in &plan.results {
            plan.stored.insert(result);
            let node = &graph.node[number];
            let activations = activations(node).iter().map(String::as_str);
            plan.stored.extend(activations);
        }
        plan
    }

    /// Adds the node if it may compute in 8 bits.
    fn consider(&mut self, number: usize, node: &'a NodeProto) {
        let Some(output) = node.output.first().map(String::as_str) else {
            return;
        };
        if node.output.len() > 1 || self.index.is_output(output) {
            return;
        }
        match node.op_type.as_str() {
            "Conv" if self.has_constant_weights(node) => {
                let activation = self.activation(output);
                let result = activation.map_or(output, |(_, result)| result);
                self.results.insert(number, result);
                self.omitted.extend(activation.map(|(number, _)| number));
            }
            "MaxPool" | "AveragePool" | "Add" => {
                self.results.insert(number, output);
            }
            _ => {}
        }
    }

    fn has_constant_weights(&self, node: &NodeProto) -> bool {
        let constant = |position: usize, rank: usize| {
            let value = node.input.get(position).filter(|value| !value.is_empty());
            value.map(|value| {
                let constant = self.index.float_constant(value);
                constant.is_some_and(|constant| constant.dims.len() == rank)
            })
        };
        constant(1, 4) == Some(true) && constant(2, 1) != Some(false)
    }

    /// The only reader of `output`, if it clips at 0 from below and is not an output of the graph: its index and its
    /// output.
    fn activation(&self, output: &str) -> Option<(usize, &'a str)> {
        let [reader] = self.index.readers(output) else {
            return None;
        };
        let node = self.index.node(reader.node);
        let clips = match node.op_type.as_str() {
            "Relu" => true,
            "Clip" => node.input.get(1).is_some_and(|low| self.is_zero(low)),
            _ => false,
        };
        let result = node.output.first()?.as_str();
        (clips && reader.position == 0 && !self.index.is_output(result))
            .then_some((reader.node, result))
    }

    fn is_zero(&self, value: &str) -> bool {
        let constant = self.index.float_constant(value);
        let values = constant.and_then(TensorProto::floats);
        values.is_some_and(|values| {
            values.len() == 1 && values.iter().all(|value| value.abs() < f32::MIN_POSITIVE)
        })
    }

    /// Removes pools and sums with an input or a reader in f32, until all are connected: for the others, the conversions
    /// would cost more than 8 bits save.
    fn remove_unconnected(&mut self) {
        loop {
            let computed: HashSet<&str> = self.results.values().copied().collect();
            let unconnected: Vec<usize> = self
                .results
                .keys()
                .copied()
                .filter(|&number| !self.is_connected(number, &computed))
                .collect();
            if unconnected.is_empty() {
                return;
            }
            for number in unconnected {
                self.results.remove(&number);
            }
        }
    }

    fn is_connected(&self, number: usize, computed: &HashSet<&str>) -> bool {
        let node = self.index.node(number);
        if node.op_type == "Conv" {
            return true;
        }
        let inputs = activations(node);
        let readers = self.index.readers(self.results[&number]);
        let is_8_bit = |reader: &Reader| {
            let activations = activations(self.index.node(reader.node));
            self.results.contains_key(&reader.node) && reader.position < activations.len()
        };
        !inputs.is_empty()
            && inputs.iter().all(|input| computed.contains(input.as_str()))
            && !readers.is_empty()
            && readers.iter().all(is_8_bit)
    }

    /// The graph with its values by name.
    pub(super) fn index(&self) -> &GraphIndex<'a> {
        &self.index
    }

    /// The value that a node computes in 8 bits; `None` if it computes in f32.
    pub(super) fn result(&self, number: usize) -> Option<&'a str> {
        self.results.get(&number).copied()
    }

    /// Whether a node is an activation function that the conversion to 8 bits replaces.
    pub(super) fn is_omitted(&self, number: usize) -> bool {
        self.omitted.contains(&number)
    }

    /// Whether `value` exists in 8 bits only.
    pub(super) fn is_computed(&self, value: &str) -> bool {
        self.results.values().any(|result| *result == value)
    }

    /// Whether `value` is stored in 8 bits.
    pub(super) fn is_stored(&self, value: &str) -> bool {
        self.stored.contains(value)
    }

    /// The value that gives `value` its scale: itself, or the input of the `MaxPool` that computes it. The maximum of bytes
    /// is one of these bytes, so both have the same scale.
    pub(super) fn scale_source<'s>(&'s self, value: &'s str) -> &'s str {
        let mut source = value;
        while let Some(number) = self.index.writer(source)
            && self.results.contains_key(&number)
            && self.index.node(number).op_type == "MaxPool"
        {
            source = &self.index.node(number).input[0];
        }
        source
    }

    /// The values whose ranges are needed.
    pub(super) fn measured(&self) -> BTreeSet<&str> {
        let stored = self.stored.iter();
        stored.map(|value| self.scale_source(value)).collect()
    }

    /// The values that convolutions in 8 bits read.
    pub(super) fn convolution_inputs(&self) -> BTreeSet<&str> {
        let nodes = self.results.keys().map(|&number| self.index.node(number));
        let convolutions = nodes.filter(|node| node.op_type == "Conv");
        convolutions.map(|node| node.input[0].as_str()).collect()
    }

    /// The values that depend on a convolution.
    pub(super) fn after_convolutions(&self) -> HashSet<&'a str> {
        let mut after: HashSet<&str> = HashSet::new();
        for node in &self.index.graph().node {
            let depends = node.op_type == "Conv"
                || node
                    .input
                    .iter()
                    .any(|input| after.contains(input.as_str()));
            if depends {
                after.extend(node.output.iter().map(String::as_str));
            }
        }
        after
    }
}

/// The inputs of a node that are activations, not constants.
pub(super) fn activations(node: &NodeProto) -> &[String] {
    let count = if node.op_type == "Add" { 2 } else { 1 };
    &node.input[..count.min(node.input.len())]
}

/// Names of the last convolution of each network: those from which an output of the graph is computed without another
/// convolution. Their results are subtracted and squared, which would enlarge their rounding errors. Of a residual sum,
/// only the result of the block counts, not its input.
pub fn last_convolutions(graph: &GraphProto) -> BTreeSet<String> {
    let index = GraphIndex::of(graph);
    let mut found = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut waiting: Vec<&str> = graph
        .output
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    while let Some(value) = waiting.pop() {
        let Some(number) = index.writer(value) else {
            continue;
        };
        if !seen.insert(number) {
            continue;
        }
        let node = index.node(number);
        let inputs = || node.input.iter().map(String::as_str);
        match node.op_type.as_str() {
            "Conv" => {
                found.insert(node.name.clone());
            }
            "Add" => {
                let is_shortcut = |value: &str| {
                    inputs().any(|other| other != value && index.depends_on(other, value))
                };
                waiting.extend(inputs().filter(|value| !is_shortcut(value)));
            }
            _ => waiting.extend(inputs()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::onnx::Dimension::{Free, Known};
    use crate::export::onnx::{DataType, ValueInfoProto};
    use crate::export::quantize::tests::node;

    /// Two convolutions with an activation function and a pool between them, a residual block, and the difference of its result
    /// and of the pooled value.
    fn graph() -> GraphProto {
        let shape = [Free("N"), Known(3), Known(8), Known(8)];
        GraphProto {
            node: vec![
                node("Conv", &["image", "w", "b"], "first"),
                node("Clip", &["first", "zero", "six"], "clipped"),
                node("MaxPool", &["clipped"], "pooled"),
                node("Conv", &["pooled", "w"], "second"),
                node("Conv", &["second", "w"], "third"),
                node("Add", &["third", "second"], "sum"),
                node("Conv", &["sum", "w"], "fourth"),
                node("Add", &["fourth", "sum"], "last"),
                node("Sub", &["last", "second"], "map"),
            ],
            initializer: vec![
                TensorProto::f32("w", &[3, 3, 1, 1], &[1.0; 9]),
                TensorProto::f32("b", &[3], &[0.0; 3]),
                TensorProto::f32("zero", &[], &[0.0]),
                TensorProto::f32("six", &[], &[6.0]),
            ],
            input: vec![ValueInfoProto::tensor("image", DataType::Float, &shape, "")],
            output: vec![ValueInfoProto::tensor("map", DataType::Float, &shape, "")],
            ..GraphProto::default()
        }
    }

    #[test]
    fn last_convolutions_are_those_before_the_arithmetic_of_the_maps() {
        let expected = ["fourth", "second"].map(str::to_owned);
        assert_eq!(last_convolutions(&graph()), BTreeSet::from(expected));
    }

    #[test]
    fn pools_and_sums_between_8_bit_convolutions_compute_in_8_bits() {
        let graph = graph();
        let keep = BTreeSet::from(["fourth".to_owned()]);
        let plan = Plan::of(&graph, &keep);
        let results: Vec<&str> = (0..graph.node.len())
            .filter_map(|number| plan.result(number))
            .collect();
        // The first sum has a reader in f32, the second sum; the fourth convolution is kept.
        assert_eq!(results, ["clipped", "pooled", "second", "third"]);
        assert!(plan.is_omitted(1));
        assert!(!plan.is_stored("first") && plan.is_stored("image") && !plan.is_stored("sum"));
        let after = plan.after_convolutions();
        assert!(!after.contains("image") && after.contains("clipped") && after.contains("map"));
    }

    #[test]
    fn maximum_has_the_scale_of_its_input() {
        let graph = graph();
        let plan = Plan::of(&graph, &BTreeSet::new());
        assert_eq!(plan.scale_source("pooled"), "clipped");
        let measured: Vec<&str> = plan.measured().into_iter().collect();
        // Without `keep`, the first sum is read by a convolution and by a sum in f32, which writes to the map.
        assert_eq!(
            measured,
            ["clipped", "fourth", "image", "second", "sum", "third"]
        );
    }
}
