//! Single cases, each the shortest story that shows its point.
