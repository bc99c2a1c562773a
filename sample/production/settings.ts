export const settings = { title: 'Shop front', featured: 60 };
