//! Configuration, assembly and supervision of a node
