"""One file an arrow of the pipeline, one public function each; stages never import each other."""
