//! Where in the files of operators the filter's configuration is.
