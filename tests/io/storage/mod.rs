//! The store: its contract over both backends, pruning, resuming, faults and damage.

mod anchoring;
mod contract;
mod damage;
mod faults;
mod fixture;
mod full_disk;
mod pruning;
mod resuming;
mod sizes;
mod together;
