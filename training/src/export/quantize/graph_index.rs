//! Where the values of a graph are written and read.

use std::collections::{HashMap, HashSet};

use crate::export::onnx::{DataType, GraphProto, NodeProto, TensorProto};

/// An input of a node that reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    /// Index of the node.
    pub(super) node: usize,
    /// Position among the inputs of the node.
    pub(super) position: usize,
}

/// A graph with its values by name.
#[derive(Debug)]
pub(super) struct GraphIndex<'a> {
    graph: &'a GraphProto,
    writers: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, Vec<Reader>>,
    constants: HashMap<&'a str, &'a TensorProto>,
    outputs: HashSet<&'a str>,
}

impl<'a> GraphIndex<'a> {
    pub(super) fn of(graph: &'a GraphProto) -> Self {
        let mut writers = HashMap::new();
        let mut readers: HashMap<&str, Vec<Reader>> = HashMap::new();
        for (number, node) in graph.node.iter().enumerate() {
            for output in &node.output {
                writers.insert(output.as_str(), number);
            }
            for (position, input) in node.input.iter().enumerate() {
                let reader = Reader {
                    node: number,
                    position,
                };
                readers.entry(input.as_str()).or_default().push(reader);
            }
        }
        let constants = graph.initializer.iter();
        let outputs = graph.output.iter();
        Self {
            graph,
            writers,
            readers,
            constants: constants
                .map(|constant| (constant.name.as_str(), constant))
                .collect(),
            outputs: outputs.map(|output| output.name.as_str()).collect(),
        }
    }

    /// The graph.
    pub(super) fn graph(&self) -> &'a GraphProto {
        self.graph
    }

    /// The node with this index.
    pub(super) fn node(&self, number: usize) -> &'a NodeProto {
        &self.graph.node[number]
    }

    /// Index of the node that writes `value`; `None` for inputs and constants of the graph.
    pub(super) fn writer(&self, value: &str) -> Option<usize> {
        self.writers.get(value).copied()
    }

    /// All inputs that read `value`.
    pub(super) fn readers(&self, value: &str) -> &[Reader] {
        self.readers.get(value).map_or(&[], Vec::as_slice)
    }

    /// Whether `value` is an output of the graph.
    pub(super) fn is_output(&self, value: &str) -> bool {
        self.outputs.contains(value)
    }

    /// Whether `value` is an input of the graph with elements of this type.
    pub(super) fn is_input(&self, value: &str, element: DataType) -> bool {
        let mut inputs = self.graph.input.iter();
        inputs.any(|input| input.name == value && input.element() == Some(element))
    }

    /// The constant floats behind `value`: a constant, or the cast of one.
    pub(super) fn float_constant(&self, value: &str) -> Option<&'a TensorProto> {
        let name = match self.writer(value).map(|number| self.node(number)) {
            Some(node) if node.op_type == "Cast" => node.input.first()?.as_str(),
            Some(_) => return None,
            None => value,
        };
        let constant = self.constants.get(name).copied();
        constant.filter(|constant| constant.is_float())
    }

    /// Whether `value` is computed from `source`.
    pub(super) fn depends_on(&self, value: &str, source: &str) -> bool {
        let mut waiting = vec![value];
        let mut seen = HashSet::new();
        while let Some(value) = waiting.pop() {
            let Some(number) = self.writer(value) else {
                continue;
            };
            if !seen.insert(number) {
                continue;
            }
            for input in &self.node(number).input {
                if input == source {
                    return true;
                }
                waiting.push(input);
            }
        }
        false
    }
}
