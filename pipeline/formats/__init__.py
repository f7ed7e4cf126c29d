"""Files that come from elsewhere and go elsewhere: votes, known answers, predictions, labels, tables; no store."""
