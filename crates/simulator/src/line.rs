//! The production line: parts by number, with the requested defects.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::assembly::Assembly;
use super::defect::Defect;
use super::logical_defect;
use super::part;
use super::plate;
use super::region::Region;
use super::scene::Scene;
use super::solid::Solid;
use super::structural_defect;
use super::variation::Variation;

/// A simulated production line. Equal seeds give equal parts on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductionLine {
    seed: u64,
}

impl ProductionLine {
    /// Builds the line with the seed `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns the part number `index` with `defects`; without defects it is good.
    ///
    /// Light, position and grain depend only on the seed and the number, so the same part with and without a
    /// defect differs only by the defect.
    pub fn part(&self, index: u64, defects: &[Defect]) -> Scene {
        let variation = Variation::draw(&mut stream(self.seed, index, 0));
        let mut assembly = Assembly::good(variation.cable_colour);
        let mut regions: Vec<(Defect, Region)> = Vec::new();
        let mut damaged: Vec<Solid> = Vec::new();
        // Logical defects come first, so that damage is placed relative to the parts that are present.
        for &defect in defects.iter().filter(|defect| defect.is_logical()) {
            let rng = &mut stream(self.seed, index, 1 + u64::from(defect.ordinal()));
            let region = logical_defect::apply(defect, &mut assembly, &variation, rng);
            regions.push((defect, region.placed(&variation.plate)));
        }
        for &defect in defects.iter().filter(|defect| !defect.is_logical()) {
            let rng = &mut stream(self.seed, index, 1 + u64::from(defect.ordinal()));
            let damage = structural_defect::draw(defect, &assembly, &variation, rng);
            damaged.extend(damage.solids);
            regions.push((defect, damage.region));
        }
        let mut solids = plate::belt(&variation);
        solids.extend(plate::plate(variation.plate, &variation));
        for item in &assembly.items {
            solids.extend(part::solids(item, &variation.plate, &variation));
        }
        solids.extend(damaged);
        Scene {
            solids,
            light: variation.light,
            camera: variation.camera,
            regions,
        }
    }
}

/// Returns an independent random stream for each purpose, so that one purpose does not change the numbers of
/// another.
pub(super) fn stream(seed: u64, index: u64, purpose: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&index.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(purpose);
    rng
}
