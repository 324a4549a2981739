//! The inspection line: parts by number, with the defects asked for.

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

/// A simulated inspection line. Equal seeds make equal lines, on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductionLine {
    seed: u64,
}

impl ProductionLine {
    /// The line that `seed` names.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The part number `index` with `defects`; without any it is sound.
    ///
    /// The part's light, place and grain follow from its number alone, so the same part with and
    /// without a defect differs in the defect only.
    pub fn part(&self, index: u64, defects: &[Defect]) -> Scene {
        let variation = Variation::draw(&mut stream(self.seed, index, 0));
        let mut assembly = Assembly::sound(variation.livery);
        let mut regions: Vec<(Defect, Region)> = Vec::new();
        let mut damage: Vec<Solid> = Vec::new();
        // Rules are broken first, so that damage is done to the parts that are there.
        for &defect in defects.iter().filter(|defect| defect.is_logical()) {
            let rng = &mut stream(self.seed, index, 1 + u64::from(defect.ordinal()));
            let region = logical_defect::apply(defect, &mut assembly, &variation, rng);
            regions.push((defect, region.placed(&variation.plate)));
        }
        for &defect in defects.iter().filter(|defect| !defect.is_logical()) {
            let rng = &mut stream(self.seed, index, 1 + u64::from(defect.ordinal()));
            let blemish = structural_defect::draw(defect, &assembly, &variation, rng);
            damage.extend(blemish.solids);
            regions.push((defect, blemish.region));
        }
        let mut solids = plate::belt(&variation);
        solids.extend(plate::plate(variation.plate, &variation));
        for item in &assembly.items {
            solids.extend(part::solids(item, &variation.plate, &variation));
        }
        solids.extend(damage);
        Scene {
            solids,
            light: variation.light,
            camera: variation.camera,
            regions,
        }
    }
}

/// Random numbers of their own for each purpose, so that none shifts another's.
pub(super) fn stream(seed: u64, index: u64, purpose: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&index.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(purpose);
    rng
}
