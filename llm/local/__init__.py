"""Models in this process: llama.cpp for text and log-likelihoods, static vectors, where their files are kept."""
