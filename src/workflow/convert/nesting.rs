//! The order of definitions: each after those that it has instances of.

use std::collections::HashMap;

use crate::workflow::graph::Graph;

use super::error::ConvertError;

/// Levels of subgraphs inside subgraphs. The deepest official template has three.
const LEVELS_MAX: usize = 100;

/// Places of the definitions, inner ones first.
pub fn order(graph: &Graph) -> Result<Vec<usize>, ConvertError> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, subgraph) in graph.subgraphs.iter().enumerate() {
        places.entry(subgraph.id.as_str()).or_insert(place);
    }
    let inner = graph.subgraphs.iter().map(|subgraph| {
        let types = subgraph.nodes.iter().map(|node| node.type_name.as_str());
        types.filter_map(|name| places.get(name).copied()).collect()
    });
    let mut sorter = Sorter {
        graph,
        inner: inner.collect(),
        heights: vec![Height::Unknown; graph.subgraphs.len()],
        order: Vec::new(),
    };
    for place in 0..graph.subgraphs.len() {
        sorter.visit(place, 0)?;
    }
    Ok(sorter.order)
}

struct Sorter<'g> {
    graph: &'g Graph,
    /// Of each definition, the places of those it has instances of.
    inner: Vec<Vec<usize>>,
    heights: Vec<Height>,
    order: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Height {
    Unknown,
    Visiting,
    Levels(usize),
}

impl Sorter<'_> {
    /// How many levels a definition has. `depth` bounds the recursion.
    fn visit(&mut self, place: usize, depth: usize) -> Result<usize, ConvertError> {
        match self.heights[place] {
            Height::Levels(levels) => return Ok(levels),
            Height::Visiting => {
                let subgraph = &self.graph.subgraphs[place];
                return Err(ConvertError::RecursiveSubgraph {
                    subgraph: subgraph.name.clone(),
                    id: subgraph.id.to_string(),
                });
            }
            Height::Unknown => self.heights[place] = Height::Visiting,
        }
        let too_deep = ConvertError::TooLarge {
            what: "levels of subgraphs",
            limit: LEVELS_MAX,
        };
        if depth >= LEVELS_MAX {
            return Err(too_deep);
        }
        let mut levels = 0;
        for i in 0..self.inner[place].len() {
            levels = levels.max(self.visit(self.inner[place][i], depth + 1)?);
        }
        if levels >= LEVELS_MAX {
            return Err(too_deep);
        }
        self.heights[place] = Height::Levels(levels + 1);
        self.order.push(place);
        Ok(levels + 1)
    }
}
