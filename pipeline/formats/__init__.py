"""Files exchanged with others: votes, known answers, predictions, labels and tables. No store is involved."""
