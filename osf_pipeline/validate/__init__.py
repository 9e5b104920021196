"""Rules that find faults in input data, and the schemas of the tables that report them. No decoding, no stores."""
